/* SPDX-License-Identifier: MIT */
/* measure_cost.c - many samples of one thing, on a thread that stays where it is. */
#include "agent/audit/measure_cost.h"

#include <stdlib.h>
#include <time.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "agent/audit/measure_counter.h"
#include "agent/audit/measure_stats.h"
#include "proto/base/clock.h"

#define SAMPLES 20000u
#define WARM    64u /* the first ones wake the CPU */
#define CLOCKS  8u  /* in one sample: one alone takes hardly longer than the counter */
#define MEDIAN  50u

typedef void (*cost_f)(void);

struct cost {
    cost_f what;
    unsigned times; /* in one sample */
    uint64_t *samples;
    size_t n;
    double ns; /* of a count */
};

static void nothing(void)
{
    __asm__ volatile("" ::: "memory");
}

static void clocks(void)
{
    struct timespec t;
    for (unsigned i = 0; i < CLOCKS; i++)
        (void)clock_gettime(CLOCK_MONOTONIC, &t);
}

#if defined(__x86_64__)

static void cpuid(void)
{
    unsigned a, b, c, d;
    __cpuid(0, a, b, c, d);
    __asm__ volatile("" ::"r"(a), "r"(b), "r"(c), "r"(d));
}

/* What came before must not be timed along with it. */
static uint64_t count(void)
{
    _mm_lfence();
    uint64_t v = measure_counter();
    _mm_lfence();
    return v;
}

#else

static uint64_t count(void)
{
    return measure_counter();
}

#endif

static uint64_t sample(cost_f what)
{
    uint64_t before = count();
    what();
    return count() - before;
}

/* What the reading of the counter takes itself. */
static uint64_t overhead(void)
{
    uint64_t least = UINT64_MAX;
    for (unsigned i = 0; i < WARM; i++) {
        uint64_t took = sample(nothing);
        least = took < least ? took : least;
    }
    return least;
}

static void job(void *arg, size_t worker, uint64_t start_ns, uint64_t end_ns)
{
    struct cost *c = arg;
    (void)worker;
    (void)start_ns;
    for (unsigned i = 0; i < WARM && clock_mono_ns() < end_ns; i++)
        c->what();
    uint64_t own = overhead();
    struct measure_moment began = measure_moment(), ended;
    do {
        uint64_t took = sample(c->what);
        c->samples[c->n++] = took > own ? took - own : 0;
        ended = (struct measure_moment){.counter = measure_counter(),
                                        .ns = clock_mono_ns()};
    } while (c->n < SAMPLES && ended.ns < end_ns);
    ended = measure_moment();
    c->ns = measure_counter_ns(&began, &ended);
}

static uint64_t in_ns(const struct cost *c, unsigned percent)
{
    uint64_t v = measure_stats_percentile(c->samples, c->n, percent);
    return (uint64_t)((double)v * c->ns / c->times + 0.5);
}

static Aolani__AuditCost *cost(struct measure_pool *p, cost_f what, unsigned times,
                               uint64_t span_ns)
{
    struct cost c = {.what = what, .times = times};
    bool *first = calloc(measure_pool_n(p), sizeof *first);
    Aolani__AuditCost *ret = NULL;
    c.samples = calloc(SAMPLES, sizeof *c.samples);
    if (!c.samples || !first)
        goto out;
    first[0] = true;
    measure_pool_run(p, first, job, &c, span_ns, NULL, NULL);
    if (c.n == 0 || c.ns <= 0 || !(ret = malloc(sizeof *ret)))
        goto out;
    aolani__audit_cost__init(ret);
    ret->least = in_ns(&c, 0);
    ret->median = in_ns(&c, MEDIAN);
    ret->p99 = in_ns(&c, 99);
out:
    free(c.samples);
    free(first);
    return ret;
}

Aolani__AuditCost *measure_cost_cpuid(struct measure_pool *p, uint64_t span_ns)
{
#if defined(__x86_64__)
    return cost(p, cpuid, 1, span_ns);
#else
    (void)p;
    (void)span_ns;
    return NULL;
#endif
}

Aolani__AuditCost *measure_cost_clock(struct measure_pool *p, uint64_t span_ns)
{
    return cost(p, clocks, CLOCKS, span_ns);
}
