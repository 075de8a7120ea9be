/* SPDX-License-Identifier: MIT */
/* measure_pool.c - see measure_pool.h. */
#include "agent/audit/measure_pool.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
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

struct worker {
    struct measure_pool *pool;
    size_t index;
    uint32_t cpu;
    pthread_t thread;
    unsigned seen; /* turns */
    bool starved;  /* asked for nothing any more */
};

struct measure_pool {
    pthread_mutex_t lock;
    pthread_cond_t begin, done;
    struct worker *workers;
    size_t n, left; /* left: still at the job of this turn */
    size_t users;   /* the workers, and who made it: the last one frees it */
    unsigned turn;
    bool ends;
    const bool *who;
    measure_job job;
    void *arg;
    uint64_t start_ns, end_ns, late_ns;
};

static void leave(struct measure_pool *p)
{
    pthread_mutex_lock(&p->lock);
    bool last = --p->users == 0;
    pthread_mutex_unlock(&p->lock);
    if (!last)
        return;
    pthread_cond_destroy(&p->begin);
    pthread_cond_destroy(&p->done);
    pthread_mutex_destroy(&p->lock);
    free(p->workers);
    free(p);
}

static bool is_asked(const struct measure_pool *p, const struct worker *w)
{
    return !w->starved && (!p->who || p->who[w->index]);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct measure_pool *p = w->pool;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->ends && w->seen == p->turn)
            pthread_cond_wait(&p->begin, &p->lock);
        if (p->ends)
            break;
        w->seen = p->turn;
        if (!p->job || !is_asked(p, w))
            continue; /* not asked, or so late that all is over */
        pthread_mutex_unlock(&p->lock);
        p->job(p->arg, w->index, p->start_ns, p->end_ns);
        pthread_mutex_lock(&p->lock);
        if (--p->left == 0)
            pthread_cond_signal(&p->done);
    }
    pthread_mutex_unlock(&p->lock);
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
    p->users++; /* nobody leaves before there is an end */
    rc = pthread_attr_setstacksize(&attr, STACK_BYTES);
    if (!rc)
        rc = pthread_attr_setaffinity_np(&attr, bytes, one);
    if (!rc)
        rc = pthread_create(&w->thread, &attr, work, w);
    pthread_attr_destroy(&attr);
    CPU_FREE(one);
    p->n += rc == 0;
    p->users -= rc != 0;
    return rc;
}

int measure_pool_create(const uint32_t *cpus, size_t n, struct measure_pool **ret,
                        struct err *e)
{
    struct measure_pool *p = calloc(1, sizeof *p);
    pthread_condattr_t attr;
    int rc = n == 0 ? EINVAL : 0;
    if (!p || !(p->workers = calloc(n + 1, sizeof *p->workers))) {
        free(p);
        return err_sys(e, -ENOMEM, "measure %zu CPUs", n);
    }
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    p->users = 1;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->begin, NULL);
    pthread_cond_init(&p->done, &attr);
    pthread_condattr_destroy(&attr);
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
    pthread_mutex_lock(&p->lock);
    p->ends = true;
    pthread_cond_broadcast(&p->begin);
    pthread_mutex_unlock(&p->lock);
    for (size_t i = 0; i < p->n; i++) {
        if (p->workers[i].starved)
            pthread_detach(p->workers[i].thread);
        else
            pthread_join(p->workers[i].thread, NULL);
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

static struct timespec after_ms(uint64_t ms)
{
    uint64_t at = clock_mono_ns() + ms * 1000000u;
    return (struct timespec){.tv_sec = (time_t)(at / 1000000000u),
                             .tv_nsec = (long)(at % 1000000000u)};
}

/* Those who never began this turn. */
static void give_up(struct measure_pool *p)
{
    for (size_t i = 0; i < p->n; i++) {
        struct worker *w = &p->workers[i];
        if (w->seen == p->turn || !is_asked(p, w))
            continue;
        w->starved = true;
        p->left--;
    }
}

void measure_pool_run(struct measure_pool *p, const bool *who, measure_job job,
                      void *arg, uint64_t span_ns, measure_tick tick, void *tick_arg)
{
    pthread_mutex_lock(&p->lock);
    p->who = who;
    p->job = job;
    p->arg = arg;
    p->left = 0;
    for (size_t i = 0; i < p->n; i++)
        p->left += is_asked(p, &p->workers[i]);
    p->start_ns = clock_mono_ns() + LEAD_NS(p->left);
    p->end_ns = p->start_ns + span_ns;
    p->turn++;
    pthread_cond_broadcast(&p->begin);
    while (p->left > 0) {
        struct timespec t = after_ms(MEASURE_POOL_TICK_MS);
        if (pthread_cond_timedwait(&p->done, &p->lock, &t) != ETIMEDOUT)
            continue;
        if (clock_mono_ns() > p->end_ns + STARVED_NS)
            give_up(p);
        if (!tick)
            continue;
        pthread_mutex_unlock(&p->lock);
        tick(tick_arg);
        pthread_mutex_lock(&p->lock);
    }
    p->job = NULL; /* nor is `who` there any more */
    uint64_t now = clock_mono_ns(), late = now > p->end_ns ? now - p->end_ns : 0;
    p->late_ns = late > p->late_ns && late <= STARVED_NS ? late : p->late_ns;
    pthread_mutex_unlock(&p->lock);
}

uint64_t measure_pool_late_ns(const struct measure_pool *p)
{
    return p->late_ns;
}
