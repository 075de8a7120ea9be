/* SPDX-License-Identifier: MIT */
/* measure_pool.c - see measure_pool.h. */
#include "agent/audit/measure_pool.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/base/clock.h"
#include "proto/base/limits.h"

#define STACK_BYTES (256u << 10)
/* From the call to the common start: all have to be awake by then. */
#define LEAD_NS(n) (1000000u + (uint64_t)(n)*20000u)
/* After the end: who has not begun by then is on a CPU that another has for good, as
 * real-time threads have that are left to themselves. */
#define STARVED_NS 1000000000u

/* A turn of one worker. Who asks and who works pass it on without a lock, which one that
 * lost its CPU while it had the lock would keep from all others. */
enum order { ORDER_NONE, ORDER_ASKED, ORDER_BEGUN };

struct worker {
    struct measure_pool *pool;
    size_t index;
    uint32_t cpu;
    pthread_t thread;
    sem_t go;
    _Atomic enum order order;
    bool starved; /* asked for nothing any more */
};

struct measure_pool {
    struct worker *workers;
    size_t n, left;      /* left: still at the job of this turn */
    atomic_size_t users; /* the workers, and who made it: the last one frees it */
    atomic_bool ends;
    sem_t done;
    measure_job job; /* this and what follows: only for who was asked */
    void *arg;
    uint64_t start_ns, end_ns, late_ns;
};

static void leave(struct measure_pool *p)
{
    if (atomic_fetch_sub(&p->users, 1) > 1)
        return;
    for (size_t i = 0; i < p->n; i++)
        sem_destroy(&p->workers[i].go);
    sem_destroy(&p->done);
    free(p->workers);
    free(p);
}

static void wait_for(sem_t *s)
{
    while (sem_wait(s) < 0)
        ; /* a signal came in between */
}

static struct timespec at(uint64_t mono_ns)
{
    return (struct timespec){.tv_sec = (time_t)(mono_ns / 1000000000u),
                             .tv_nsec = (long)(mono_ns % 1000000000u)};
}

static bool take(struct worker *w, enum order from, enum order to)
{
    return atomic_compare_exchange_strong(&w->order, &from, to);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct measure_pool *p = w->pool;
    for (;;) {
        wait_for(&w->go);
        if (atomic_load(&p->ends))
            break;
        if (!take(w, ORDER_ASKED, ORDER_BEGUN))
            continue; /* so late that it was given up */
        p->job(p->arg, w->index, p->start_ns, p->end_ns);
        atomic_store(&w->order, ORDER_NONE);
        sem_post(&p->done);
    }
    leave(p);
    return NULL;
}

/* The thread begins on its CPU: one that may not be used, or went away, refuses it. */
static int start(struct measure_pool *p, uint32_t cpu)
{
    struct worker *w = &p->workers[p->n];
    size_t bytes = CPU_ALLOC_SIZE(LIMIT_CPUS);
    cpu_set_t *one = CPU_ALLOC(LIMIT_CPUS);
    pthread_attr_t attr;
    if (!one)
        return ENOMEM;
    int rc = pthread_attr_init(&attr);
    if (rc) {
        CPU_FREE(one);
        return rc;
    }
    CPU_ZERO_S(bytes, one);
    CPU_SET_S(cpu, bytes, one);
    *w = (struct worker){.pool = p, .index = p->n, .cpu = cpu};
    sem_init(&w->go, 0, 0);
    atomic_fetch_add(&p->users, 1); /* nobody leaves before there is an end */
    rc = pthread_attr_setstacksize(&attr, STACK_BYTES);
    if (!rc)
        rc = pthread_attr_setaffinity_np(&attr, bytes, one);
    if (!rc)
        rc = pthread_create(&w->thread, &attr, work, w);
    pthread_attr_destroy(&attr);
    CPU_FREE(one);
    if (rc) {
        sem_destroy(&w->go);
        atomic_fetch_sub(&p->users, 1);
    }
    p->n += rc == 0;
    return rc;
}

int measure_pool_create(const uint32_t *cpus, size_t n, struct measure_pool **ret,
                        struct err *e)
{
    struct measure_pool *p = calloc(1, sizeof *p);
    int rc = n == 0 ? EINVAL : 0;
    if (!p || !(p->workers = calloc(n + 1, sizeof *p->workers))) {
        free(p);
        return err_sys(e, -ENOMEM, "measure %zu CPUs", n);
    }
    atomic_init(&p->users, 1);
    sem_init(&p->done, 0, 0);
    for (size_t i = 0; i < n; i++) {
        int why = cpus[i] < LIMIT_CPUS ? start(p, cpus[i]) : EINVAL;
        rc = why ? why : rc;
    }
    if (p->n == 0) {
        measure_pool_destroy(p);
        return err_sys(e, -rc, "measure %zu CPUs", n);
    }
    *ret = p;
    return 0;
}

void measure_pool_destroy(struct measure_pool *p)
{
    if (!p)
        return;
    atomic_store(&p->ends, true);
    for (size_t i = 0; i < p->n; i++)
        sem_post(&p->workers[i].go);
    struct timespec t = at(clock_mono_ns() + STARVED_NS);
    for (size_t i = 0; i < p->n; i++) {
        struct worker *w = &p->workers[i];
        if (w->starved || pthread_clockjoin_np(w->thread, NULL, CLOCK_MONOTONIC, &t))
            pthread_detach(w->thread);
    }
    leave(p);
}

size_t measure_pool_n(const struct measure_pool *p)
{
    return p->n;
}

uint32_t measure_pool_cpu(const struct measure_pool *p, size_t worker)
{
    return p->workers[worker].cpu;
}

static void ask(struct measure_pool *p, const bool *who, uint64_t span_ns)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++)
        n += !p->workers[i].starved && (!who || who[i]);
    p->start_ns = clock_mono_ns() + LEAD_NS(n);
    p->end_ns = p->start_ns + span_ns;
    p->left = n;
    for (size_t i = 0; i < p->n; i++) {
        struct worker *w = &p->workers[i];
        if (w->starved || (who && !who[i]))
            continue;
        atomic_store(&w->order, ORDER_ASKED);
        sem_post(&w->go);
    }
}

/* Those who never began this turn. */
static void give_up(struct measure_pool *p)
{
    for (size_t i = 0; i < p->n; i++) {
        struct worker *w = &p->workers[i];
        if (!take(w, ORDER_ASKED, ORDER_NONE))
            continue;
        w->starved = true;
        p->left--;
    }
}

void measure_pool_run(struct measure_pool *p, const bool *who, measure_job job,
                      void *arg, uint64_t span_ns, measure_tick tick, void *tick_arg)
{
    p->job = job;
    p->arg = arg;
    ask(p, who, span_ns);
    while (p->left > 0) {
        struct timespec t = at(clock_mono_ns() + MEASURE_POOL_TICK_MS * 1000000ull);
        if (sem_clockwait(&p->done, CLOCK_MONOTONIC, &t) == 0) {
            p->left--;
            continue;
        }
        if (errno != ETIMEDOUT)
            continue;
        if (clock_mono_ns() > p->end_ns + STARVED_NS)
            give_up(p);
        if (tick)
            tick(tick_arg);
    }
    uint64_t now = clock_mono_ns(), late = now > p->end_ns ? now - p->end_ns : 0;
    p->late_ns = late > p->late_ns && late <= STARVED_NS ? late : p->late_ns;
}

uint64_t measure_pool_late_ns(const struct measure_pool *p)
{
    return p->late_ns;
}
