/* SPDX-License-Identifier: MIT */
/* slurm_facts - what aolani-run knows of a job of Slurm's, for tests on a cluster.
 *
 * usage: slurm-facts [-v] env           the job of the environment
 *        slurm-facts [-v] now ID        asked, without a loop
 *        slurm-facts [-v] ask ID        asked, on a loop
 *        slurm-facts [-v] queue ID      where it stands, as a line for people
 *        slurm-facts [-v] queue-ask ID  the same, on a loop
 *
 * Prints "key=value" lines, or the error with its hint and exit status 1; and 3 if the loop
 * stood still while it asked. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/slurm/ask.h"
#include "launcher/slurm/queue.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"

#define TICK_MS  50u
#define STILL_NS 5000000000u /* a busy machine may be slow; an ask may take 20 s */

struct answer {
    struct loop *loop;
    uint64_t last_ns, longest_ns; /* between two ticks */
    int status;
};

static int tell_error(const struct err *e)
{
    (void)printf("error=%s\nhint=%s\n", e->text, e->hint);
    return 1;
}

static int tell_job(const struct slurm_job *j)
{
    (void)printf("id=%u\nname=%s\nstate=%s\nreason=%s\npartition=%s\ncluster=%s\n",
                 j->id, j->name, j->state, j->reason, j->partition, j->cluster);
    (void)printf("start=%" PRIu64 "\nend=%" PRIu64 "\nrestarts=%u\nover=%d\n",
                 j->start_real_ns / 1000000000u, j->end_real_ns / 1000000000u,
                 j->restarts, slurm_job_is_over(j));
    for (size_t i = 0; i < j->n_nodes; i++)
        (void)printf("node=%s cpus=%u gpus=%u\n", j->nodes[i].name, j->nodes[i].cpus,
                     j->nodes[i].gpus);
    return 0;
}

static int tell_queue(const struct slurm_queue *q)
{
    struct buf b;
    buf_init(&b, 4096);
    int rc = slurm_queue_format(q, clock_real_ns(), &b);
    (void)printf("state=%s\nposition=%u\npending=%u\nstart=%" PRIu64 "\nline=%s\n",
                 q->state, q->position, q->n_pending, q->start_real_ns / 1000000000u,
                 rc == 0 ? (const char *)b.data : "");
    buf_fini(&b);
    return 0;
}

static void on_job(void *arg, const struct slurm_job *j, const struct err *e)
{
    struct answer *a = arg;
    a->status = j ? tell_job(j) : tell_error(e);
    loop_stop(a->loop);
}

static void on_queue(void *arg, const struct slurm_queue *q, const struct err *e)
{
    struct answer *a = arg;
    a->status = q ? tell_queue(q) : tell_error(e);
    loop_stop(a->loop);
}

static void on_tick(void *arg)
{
    struct answer *a = arg;
    uint64_t now = clock_mono_ns();
    if (now - a->last_ns > a->longest_ns)
        a->longest_ns = now - a->last_ns;
    a->last_ns = now;
}

static int on_loop(uint32_t id, bool queue)
{
    struct answer a = {.last_ns = clock_mono_ns()};
    struct slurm_ask *ask = NULL;
    struct slurm_queue_ask *q = NULL;
    struct err e;
    if (loop_create(&a.loop, &e) < 0)
        return tell_error(&e);
    struct loop_timer *t = loop_timer_create(a.loop, on_tick, &a);
    loop_timer_start(t, TICK_MS, TICK_MS);
    int rc = queue ? slurm_queue_ask(a.loop, id, on_queue, &a, &q, &e)
                   : slurm_ask_job(a.loop, id, on_job, &a, &ask, &e);
    if (rc == 0)
        loop_run(a.loop);
    else
        a.status = tell_error(&e);
    slurm_ask_destroy(ask);
    slurm_queue_ask_destroy(q);
    loop_timer_destroy(t);
    loop_destroy(a.loop);
    return a.longest_ns > STILL_NS ? 3 : a.status;
}

static int without(const char *verb, uint32_t id)
{
    struct slurm_job j = {0};
    struct slurm_queue q = {0};
    struct err e = {0};
    if (strcmp(verb, "queue") == 0)
        return slurm_queue_now(id, &q, &e) < 0 ? tell_error(&e) : tell_queue(&q);
    int rc =
        strcmp(verb, "env") == 0 ? slurm_job_of_env(&j, &e) : slurm_job_now(id, &j, &e);
    int status = rc < 0 ? tell_error(&e) : tell_job(&j);
    slurm_job_fini(&j);
    return status;
}

int main(int argc, char **argv)
{
    bool verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
    argv += verbose;
    argc -= verbose;
    log_setup("slurm-facts", verbose ? LOG_DEBUG_ : LOG_NOTE_, NULL, NULL);
    uint32_t id = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;
    if (argc < 2)
        return 2;
    bool queue = strcmp(argv[1], "queue-ask") == 0;
    if (queue || strcmp(argv[1], "ask") == 0)
        return on_loop(id, queue);
    return without(argv[1], id);
}
