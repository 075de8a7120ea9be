/* SPDX-License-Identifier: MIT */
/* collwait_bench.c - what one deep step of NCCL costs the head, by ranks and collectives:
 * CPU time for each collective of each rank, that for which nothing else is done at the
 * end, memory while ranks are awaited, and of how many ranks the wait is known. `world`:
 * all collectives are of all ranks; `groups`: half of them of groups of 8, the other half
 * of one rank of each. Built and run by collwait.sh. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "launcher/variance/collwait.h"
#include "proto/wire/colltime.h"

enum { GROUP = 8, MOST = 1000 };

static uint32_t n_known;

static void on_out(void *arg, const struct steprec *r, uint64_t now_ms)
{
    (void)arg;
    (void)now_ms;
    n_known += (r->flags & STEPREC_HOST_PACED) == 0;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void make(uint8_t *to, uint32_t ranks, uint32_t rank, uint32_t colls, int groups)
{
    for (uint32_t i = 0; i < colls; i++) {
        int in_group = groups && i % 2;
        struct colltime t = {.comm = groups ? rank % GROUP : 1000000000,
                             .key = 0x10000 + i / 2 % 6,
                             .seq = 90000 + i / 12,
                             .dur_ns = 20000 + (rank * 7919 + i * 104729) % 5000,
                             .n_ranks = (uint16_t)(groups ? ranks / GROUP : ranks)};
        if (in_group) {
            t.comm = 1000 + rank / GROUP;
            t.n_ranks = GROUP;
        } else if (!groups) {
            t.key = 0x10000 + i % 12;
        }
        colltime_encode(&t, to + (size_t)i * COLLTIME_BYTES);
    }
}

static void measure(uint32_t ranks, uint32_t colls, int groups)
{
    static uint8_t bytes[MOST * COLLTIME_BYTES];
    Aolani__CollTimes m = AOLANI__COLL_TIMES__INIT;
    struct collwait *w;
    struct err e;
    uint64_t ns = 0, last = 0, before = mallinfo2().uordblks + mallinfo2().hblkhd;
    uint64_t held = 0;
    n_known = 0;
    if (collwait_create(ranks, on_out, NULL, &w) < 0)
        exit(1);
    m.step = 5;
    m.records.data = bytes;
    m.records.len = colls * COLLTIME_BYTES;
    for (uint32_t r = 0; r < ranks; r++) {
        struct steprec rec = {.rank = r,
                              .step = 5,
                              .wall_us = 1000000,
                              .flags = STEPREC_DEEP | STEPREC_HOST_PACED};
        m.rank = r;
        make(bytes, ranks, r, colls, groups);
        uint64_t from = now_ns();
        collwait_record(w, &rec, 0);
        if (r == ranks - 1)
            held = mallinfo2().uordblks + mallinfo2().hblkhd - before;
        uint64_t then = now_ns();
        (void)collwait_times(w, &m, 0, &e);
        last = now_ns() - then;
        ns += now_ns() - from;
    }
    collwait_destroy(w);
    printf("%s_%ux%u %.1f ns %.1f ms %.1f MiB %u known\n", groups ? "groups" : "world",
           ranks, colls, (double)ns / ranks / colls, (double)last / 1e6,
           (double)held / (1 << 20), n_known);
}

int main(void)
{
    for (int groups = 0; groups < 2; groups++) {
        measure(64, 250, groups);
        measure(1024, 250, groups);
        measure(4096, 250, groups);
        measure(16384, MOST, groups);
    }
    return 0;
}
