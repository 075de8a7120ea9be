/* SPDX-License-Identifier: MIT */
/* anchor_bench.c - nanoseconds that a record of a collective costs the agent that looks for
 * steps in it: of two trainings, of one with all sorts, and of a flood of communicators.
 * Built and run by anchor.sh. Prints one "name value unit" line each. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "agent/anchor.h"
#include "tests/lib/collstream.h"

enum { ROUNDS = 10, MOST = 200000 };

struct records {
    struct collrec *r;
    size_t n;
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void on_record(void *arg, const struct collrec *r)
{
    struct records *to = arg;
    if (to->n < MOST)
        to->r[to->n++] = *r;
}

static void on_step(void *arg, const struct anchor_step *s)
{
    *(uint64_t *)arg += s->n_coll;
}

static void record(struct records *to, const char *name)
{
    static struct collstream s;
    to->n = 0;
    for (size_t i = 0; i < N_COLLSTREAMS; i++)
        if (strcmp(collstreams[i].name, name) == 0)
            s.kind = &collstreams[i];
    s.seed = 7;
    s.sink = on_record;
    s.arg = to;
    for (s.steps = 100; to->n < MOST && s.steps < 1u << 20; s.steps *= 4) {
        to->n = 0;
        s.seed = 7;
        collstream_run(&s);
    }
}

/* Each in a communicator that has not been. */
static void flood(struct records *to)
{
    for (to->n = 0; to->n < MOST; to->n++)
        to->r[to->n] = (struct collrec){.t_ns = 1000 * to->n,
                                        .comm = to->n * 0x9e3779b97f4a7c15u,
                                        .kind = COLLREC_CALL,
                                        .n_ranks = 8,
                                        .sig = {COLL_ALLREDUCE, 7, 20}};
}

/* The best of the rounds: the others measured the machine's other business. */
static void measure(const char *name, const struct records *from)
{
    uint64_t best = UINT64_MAX, calls = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct anchor_candidate c[ANCHOR_CANDIDATES];
        struct anchors *a = anchors_create(0, on_step, &calls);
        uint64_t changes, since = now_ns();
        if (!a)
            exit(1);
        for (size_t i = 0; i < from->n; i++) {
            anchors_add(a, &from->r[i]);
            if (i % 1024 == 0 && anchors_candidates(a, c, &changes) > 0)
                (void)anchors_choose(a, &c[0].class);
        }
        uint64_t took = now_ns() - since;
        best = took < best ? took : best;
        anchors_destroy(a);
    }
    printf("anchor_%s %.1f ns\n", name, (double)best / (double)from->n);
}

int main(void)
{
    struct records all = {.r = calloc(MOST, sizeof *all.r)};
    if (!all.r)
        return 1;
    record(&all, "DDP");
    measure("ddp", &all);
    record(&all, "FSDP, accumulating");
    measure("fsdp", &all);
    record(&all, "accumulation, both of these");
    measure("all_sorts", &all);
    record(&all, "random signatures");
    measure("random", &all);
    flood(&all);
    measure("flood", &all);
    free(all.r);
    return 0;
}
