/* SPDX-License-Identifier: MIT */
/* measure.c - see measure.h.
 *
 * In turn, for each thing disturbs the others. What needs less time than its part of the
 * budget leaves it to noise, the last: there alone more time tells more. */
#include "agent/audit/measure_impl.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/audit/measure_copies.h"
#include "agent/audit/measure_cost.h"
#include "agent/audit/measure_cpus.h"
#include "agent/audit/measure_memory.h"
#include "agent/audit/measure_noise.h"
#include "agent/audit/measure_others.h"
#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/utf8.h"

#define NS_PER_MS   1000000u
#define LOOK_PART   10u /* percent of the budget, at most, for a look at all processes */
#define LOOK_LEAST  (40u * NS_PER_MS)
#define COPY_PART   35u
#define MEMORY_PART 55u /* percent of what is left then */
#define COST_PART   50u /* of the budget, for each cost */
#define COST_MOST   (50u * NS_PER_MS)
#define NOTES_MOST  32u
#define CLOCKSOURCE "/sys/devices/system/clocksource/clocksource0/current_clocksource"

void measure_tell(void *arg)
{
    struct measuring *r = arg;
    uint64_t all = r->end_ns - r->began_ns, past = clock_mono_ns() - r->began_ns;
    if (r->progress)
        r->progress(r->arg, r->what, past < all ? (unsigned)(past * 100 / all) : 99);
}

void measure_note(struct measuring *r, const char *fmt, ...)
{
    char text[300];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    utf8_make_printable(text);
    if (r->m->n_notes == NOTES_MOST)
        return;
    char **all = realloc(r->m->notes, (r->m->n_notes + 1) * sizeof *all);
    if (!all)
        return;
    r->m->notes = all;
    if ((all[r->m->n_notes] = strdup(text)))
        r->m->n_notes++;
}

static void measure_next(struct measuring *r, const char *what)
{
    r->what = what;
    measure_tell(r);
}

static void measure_costs(struct measuring *r)
{
    char name[64];
    uint64_t span = (r->end_ns - r->began_ns) / COST_PART;
    span = span < COST_MOST ? span : COST_MOST;
    measure_next(r, "the cost of the clock");
    r->m->exit = measure_cost_cpuid(r->pool, span);
    r->m->clock = measure_cost_clock(r->pool, span);
    if (machine_line(r->machine, CLOCKSOURCE, name, sizeof name) < 0)
        return;
    utf8_make_printable(name);
    char *copy = strdup(name);
    if (copy)
        r->m->clocksource = copy;
}

/* A worker on each CPU of our affinity mask. */
static int measure_stand(struct measuring *r, struct err *e)
{
    size_t bytes = CPU_ALLOC_SIZE(LIMIT_CPUS), n = 0;
    cpu_set_t *mine = CPU_ALLOC(LIMIT_CPUS);
    uint32_t *cpus = calloc(LIMIT_CPUS, sizeof *cpus);
    int rc = mine && cpus ? 0 : err_sys(e, -ENOMEM, "measure this node");
    if (rc == 0 && sched_getaffinity(0, bytes, mine) < 0)
        rc = err_sys(e, -errno, "ask which CPUs may be used");
    for (uint32_t i = 0; rc == 0 && i < LIMIT_CPUS; i++)
        if (CPU_ISSET_S(i, bytes, mine))
            cpus[n++] = i;
    if (rc == 0)
        rc = measure_pool_create(cpus, n, &r->pool, e);
    if (rc == 0 && measure_pool_n(r->pool) < n)
        measure_note(r,
                     "%zu of %zu CPUs were not measured: no thread could stand there",
                     n - measure_pool_n(r->pool), n);
    if (mine)
        CPU_FREE(mine);
    free(cpus);
    return rc;
}

static uint64_t left_ns(uint64_t end_ns)
{
    uint64_t now = clock_mono_ns();
    return now < end_ns ? end_ns - now : 0;
}

static void measure_bandwidth(struct measuring *r, uint64_t end_ns)
{
    size_t n = measure_pool_n(r->pool);
    uint32_t *numbers = calloc(n, sizeof *numbers);
    struct measure_cpus cpus = {0};
    measure_next(r, "memory bandwidth");
    for (size_t i = 0; numbers && i < n; i++)
        numbers[i] = measure_pool_cpu(r->pool, i);
    if (numbers && measure_cpus_read(r->machine, numbers, n, &cpus) == 0)
        measure_memory(r, &cpus, end_ns);
    measure_cpus_fini(&cpus);
    free(numbers);
}

/* The second look takes as long as the first did, or twice that when CPUs are dear. */
static uint64_t measure_reserve(const struct measuring *r, uint64_t most)
{
    uint64_t want = LOOK_LEAST + 2 * (clock_mono_ns() - r->began_ns);
    return want < most ? want : most;
}

static int measure_all(struct measuring *r, struct err *e)
{
    struct measure_others others = {0};
    uint64_t all = r->end_ns - r->began_ns, look = all * LOOK_PART / 100;
    look = look > LOOK_LEAST ? look : LOOK_LEAST;
    measure_next(r, "other processes");
    measure_others_begin(&others, r, r->began_ns + look);
    uint64_t end = r->end_ns - measure_reserve(r, look);
    measure_next(r, "copies to and from GPUs");
    measure_copies(r, all * COPY_PART / 100 / NS_PER_MS);
    int rc = measure_stand(r, e);
    if (rc == 0) {
        measure_costs(r);
        measure_bandwidth(r, clock_mono_ns() + left_ns(end) * MEMORY_PART / 100);
        measure_next(r, "noise");
        measure_noise(r, end);
    }
    measure_next(r, "other processes");
    measure_others_end(&others, r, r->end_ns);
    return rc;
}

int measure_run(uint64_t budget_ms, measure_progress progress, void *arg,
                Aolani__AuditMeasured **ret, struct err *e)
{
    struct measuring r = {.progress = progress, .arg = arg, .what = ""};
    budget_ms = budget_ms < MEASURE_LEAST_MS ? MEASURE_LEAST_MS : budget_ms;
    budget_ms = budget_ms > MEASURE_MOST_MS ? MEASURE_MOST_MS : budget_ms;
    r.began_ns = clock_mono_ns();
    r.end_ns = r.began_ns + budget_ms * NS_PER_MS;
    if (!(r.m = malloc(sizeof *r.m)))
        return err_sys(e, -ENOMEM, "measure this node");
    aolani__audit_measured__init(r.m);
    int rc = machine_open(NULL, &r.machine, e);
    if (rc == 0)
        rc = measure_all(&r, e);
    measure_pool_destroy(r.pool);
    machine_close(r.machine);
    if (rc < 0) {
        aolani__audit_measured__free_unpacked(r.m, NULL);
        return rc;
    }
    *ret = r.m;
    return 0;
}
