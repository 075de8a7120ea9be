/* SPDX-License-Identifier: MIT */
/* measure_noise.c - see measure_noise.h.
 *
 * In rounds: saying how far it is wakes the agent, the launcher and what is between them,
 * which would be found as noise of the node. It is done between rounds, with a pause for
 * them to come to rest. */
#include "agent/audit/measure_noise.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/audit/measure_cgroup.h"
#include "agent/audit/measure_counter.h"
#include "agent/audit/measure_kernel.h"
#include "agent/audit/measure_stats.h"
#include "proto/base/clock.h"

#define NS_PER_MS   1000000u
#define ROUND_NS    (300u * NS_PER_MS)
#define ROUND_LEAST (10u * NS_PER_MS)
#define PAUSE_NS    (5u * NS_PER_MS)
#define SLICE_US    2000.0 /* between looks at the clock */
#define STEPS       256u   /* to know the usual one */

struct seen { /* of one CPU, of all rounds */
    uint64_t window_ns, cpu_ns, gaps, waited_ns;
    double lost_ns, longest_ns;
    bool waits_unknown;
    char apart[64]; /* no other thread writes to the same line of the cache */
};

struct noise {
    const struct measure_pool *pool;
    double counts_per_us;
    struct seen *seen;
};

/* ns that this thread could have run and did not: the second number. */
static bool waited(uint64_t *ret)
{
    char text[96];
    unsigned long long ran, late, times;
    int fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return false;
    text[n] = '\0';
    if (sscanf(text, "%llu %llu %llu", &ran, &late, &times) != 3 || times == 0)
        return false; /* a kernel that does not count has zeros */
    *ret = late;
    return true;
}

static uint64_t usual_step(void)
{
    uint64_t least = UINT64_MAX, last = measure_counter();
    for (unsigned i = 0; i < STEPS; i++) {
        uint64_t now = measure_counter(), step = now - last;
        last = now;
        least = step < least ? step : least;
    }
    return least;
}

/* The clock itself may take a microsecond, where the kernel has to be asked: it is looked
 * at between slices, and the counter anew after it. One that went back would not come to
 * the end of its slice for as long as it went back. */
static void spin(struct measure_gaps *g, uint64_t slice, uint64_t end_ns)
{
    do {
        uint64_t last = measure_counter(), end = last + slice;
        while (last < end) {
            uint64_t now = measure_counter();
            if (!measure_gaps_step(g, now - last))
                break;
            last = now;
        }
    } while (clock_mono_ns() < end_ns);
}

static void round_job(void *arg, size_t worker, uint64_t start_ns, uint64_t end_ns)
{
    struct noise *z = arg;
    struct seen *s = &z->seen[worker];
    struct measure_gaps g;
    uint64_t late0 = 0, late1 = 0;
    measure_gaps_init(&g, usual_step(), z->counts_per_us);
    while (clock_mono_ns() < start_ns)
        ;
    bool known = waited(&late0);
    uint64_t cpu = measure_thread_ns();
    struct measure_moment began = measure_moment();
    if (began.ns >= end_ns)
        return; /* it woke too late; what was lost is part of no window */
    spin(&g, (uint64_t)(SLICE_US * z->counts_per_us), end_ns);
    struct measure_moment ended = measure_moment();
    cpu = measure_thread_ns() - cpu;
    if ((uint32_t)sched_getcpu() != measure_pool_cpu(z->pool, worker))
        return; /* its CPU was taken offline, or away from us: it was on another one */
    known = known && waited(&late1);
    double ns = measure_counter_ns(&began, &ended);
    s->window_ns += ended.ns - began.ns;
    s->cpu_ns += cpu;
    s->gaps += g.n;
    s->lost_ns += (double)g.lost * ns;
    s->longest_ns =
        (double)g.longest * ns > s->longest_ns ? (double)g.longest * ns : s->longest_ns;
    s->waited_ns += known && late1 > late0 ? late1 - late0 : 0;
    s->waits_unknown = s->waits_unknown || !known;
}

static void sleep_ns(uint64_t ns)
{
    struct timespec t = {.tv_nsec = (long)ns};
    (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL);
}

/* The last round must end in time, as late as rounds do here; but one there must be. */
static void rounds(struct measuring *r, struct noise *z, uint64_t end_ns)
{
    for (bool first = true;; first = false) {
        measure_tell(r);
        sleep_ns(PAUSE_NS);
        uint64_t now = clock_mono_ns(), late = measure_pool_late_ns(r->pool);
        uint64_t left = now < end_ns ? end_ns - now : 0;
        late = first && late > left / 2 ? left / 2 : late;
        left = left > late ? left - late : 0;
        if (left < ROUND_LEAST)
            return;
        measure_pool_run(r->pool, NULL, round_job, z, left < ROUND_NS ? left : ROUND_NS,
                         NULL, NULL);
    }
}

static Aolani__AuditCore *core(uint32_t cpu, const struct seen *s, uint64_t steal_ns,
                               bool steal_is_told, uint64_t interrupts)
{
    Aolani__AuditCore *c = malloc(sizeof *c);
    if (!c)
        return NULL;
    struct measure_lost l = {
        .lost_ns = (uint64_t)s->lost_ns,
        .wall_ns = s->window_ns,
        .cpu_ns = s->cpu_ns,
        .waited_ns = s->waits_unknown ? -1 : (int64_t)s->waited_ns,
        .steal_ns = steal_ns,
        .tick_ns = measure_kernel_tick_ns(),
        .steal_is_told = steal_is_told,
    };
    aolani__audit_core__init(c);
    c->cpu = cpu;
    c->window_ns = s->window_ns;
    c->gaps = s->gaps;
    c->lost_ns = l.lost_ns < l.wall_ns ? l.lost_ns : l.wall_ns;
    l.lost_ns = c->lost_ns;
    c->longest_ns =
        s->longest_ns < (double)s->window_ns ? (uint64_t)s->longest_ns : s->window_ns;
    measure_stats_attribute(&l, &c->stolen_ns, &c->preempted_ns);
    c->interrupts = interrupts;
    return c;
}

static uint64_t grown(uint64_t before, uint64_t after)
{
    return after > before ? after - before : 0;
}

/* The kernel counted between two looks; the windows are most of that, but not all. */
static uint64_t in_window(uint64_t counted, uint64_t window_ns, uint64_t looks_ns)
{
    if (looks_ns == 0 || window_ns >= looks_ns)
        return counted;
    return (uint64_t)((double)counted * (double)window_ns / (double)looks_ns + 0.5);
}

static void fill(struct measuring *r, const struct noise *z,
                 const struct measure_kernel *k0, const struct measure_kernel *k1)
{
    size_t n = measure_pool_n(r->pool), n_ticks = 0;
    uint64_t *ticks = calloc(n, sizeof *ticks), ns = k1->at_ns - k0->at_ns;
    bool told = measure_kernel_steal_is_told(r->machine);
    r->m->cores = calloc(n, sizeof(Aolani__AuditCore *));
    for (size_t i = 0; ticks && r->m->cores && i < n; i++) {
        uint32_t cpu = measure_pool_cpu(r->pool, i);
        if (z->seen[i].window_ns == 0)
            continue;
        bool any = told || k1->steal[cpu] > 0;
        uint64_t window = z->seen[i].window_ns;
        uint64_t steal =
            grown(k0->steal[cpu], k1->steal[cpu]) * measure_kernel_tick_ns();
        Aolani__AuditCore *c = core(
            cpu, &z->seen[i], in_window(steal, window, ns), k1->has_stat && any,
            in_window(grown(k0->interrupts[cpu], k1->interrupts[cpu]), window, ns));
        if (!c)
            break;
        r->m->cores[r->m->n_cores++] = c;
        ticks[n_ticks++] = grown(k0->timer[cpu], k1->timer[cpu]);
    }
    uint64_t usual = ticks ? measure_stats_percentile(ticks, n_ticks, 50) : 0;
    r->m->ticks = (uint32_t)((double)usual * 1e9 / (double)(ns ? ns : 1) + 0.5);
    if (r->m->n_cores < n)
        measure_note(r,
                     "the noise of %zu CPUs was not measured: they were never free, or "
                     "went away",
                     n - r->m->n_cores);
    if (!k1->has_interrupts)
        measure_note(r, "interrupts were not counted: /proc/interrupts cannot be read");
    free(ticks);
}

void measure_noise(struct measuring *r, uint64_t end_ns)
{
    struct measure_kernel k0 = {0}, k1 = {0};
    struct noise z = {.pool = r->pool,
                      .seen = calloc(measure_pool_n(r->pool), sizeof *z.seen)};
    if (!z.seen || measure_kernel_init(&k0) < 0 || measure_kernel_init(&k1) < 0)
        goto out;
    struct measure_moment a = measure_moment();
    uint64_t throttled = measure_cgroup_throttled_ns(r->machine);
    measure_kernel_look(&k0, r->machine);
    sleep_ns(NS_PER_MS);
    struct measure_moment b = measure_moment();
    double ns = measure_counter_ns(&a, &b);
    if (ns <= 0) {
        measure_note(r, "noise was not measured: the CPU's counter stands still");
        goto out;
    }
    z.counts_per_us = 1000 / ns;
    /* The files of 256 CPUs take tens of ms, and are read once more after it. */
    rounds(r, &z, end_ns - (b.ns - a.ns));
    measure_kernel_look(&k1, r->machine);
    throttled = grown(throttled, measure_cgroup_throttled_ns(r->machine));
    if (throttled > 0)
        measure_note(r,
                     "a limit of CPU time on this process's cgroup held it back for "
                     "%.0f ms: they count as preempted",
                     (double)throttled / NS_PER_MS);
    fill(r, &z, &k0, &k1);
out:
    measure_kernel_fini(&k0);
    measure_kernel_fini(&k1);
    free(z.seen);
}
