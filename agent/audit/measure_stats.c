/* SPDX-License-Identifier: MIT */
/* measure_stats.c - see measure_stats.h. */
#include "agent/audit/measure_stats.h"

#include <stdlib.h>

#define GAP_US    1u /* what is shorter is a cache miss, or the other hardware thread */
#define GAP_STEPS 8u

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

uint64_t measure_stats_percentile(uint64_t *values, size_t n, unsigned percent)
{
    if (n == 0)
        return 0;
    qsort(values, n, sizeof *values, by_value);
    size_t rank = (n * percent + 99) / 100;
    return values[rank > 0 ? rank - 1 : 0];
}

void measure_gaps_init(struct measure_gaps *g, uint64_t usual, double counts_per_us)
{
    uint64_t us = (uint64_t)(counts_per_us * GAP_US);
    *g = (struct measure_gaps){.usual = usual};
    g->threshold = usual > us / GAP_STEPS ? usual * GAP_STEPS : us;
    if (g->threshold == 0)
        g->threshold = 1;
}

static uint64_t at_most(uint64_t v, uint64_t most)
{
    return v < most ? v : most;
}

/* Of a guest that is told of stolen time the kernel usually takes it out of a thread's time:
 * what is missing there is exact, but may be interrupts too. Steal itself comes in ticks,
 * and some of it was of those who ran while the thread waited; so it is the bound, and what
 * counts where the kernel takes nothing out. Without any tick nothing is laid to the
 * hypervisor. */
static uint64_t stolen(const struct measure_lost *l, uint64_t waited)
{
    uint64_t here = l->cpu_ns + waited;
    uint64_t missing = l->wall_ns > here ? l->wall_ns - here : 0;
    if (l->steal_ns == 0 || l->wall_ns == 0)
        return 0;
    double at_it = 1 - (double)at_most(waited, l->wall_ns) / (double)l->wall_ns;
    uint64_t share = (uint64_t)((double)l->steal_ns * at_it);
    return missing < share / 2 ? share : at_most(missing, l->steal_ns + l->tick_ns);
}

void measure_stats_attribute(const struct measure_lost *l, int64_t *ret_stolen,
                             int64_t *ret_preempted)
{
    uint64_t waited = l->waited_ns < 0 ? 0 : (uint64_t)l->waited_ns;
    uint64_t preempted = at_most(waited, l->lost_ns);
    uint64_t gone = at_most(stolen(l, waited), l->lost_ns - preempted);
    *ret_preempted = l->waited_ns < 0 ? -1 : (int64_t)preempted;
    *ret_stolen = l->steal_is_told ? (int64_t)gone : -1;
}
