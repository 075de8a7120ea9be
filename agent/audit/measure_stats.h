/* SPDX-License-Identifier: MIT */
/* measure_stats - what is made of the numbers: pure. */
#ifndef AGENT_AUDIT_MEASURE_STATS_H
#define AGENT_AUDIT_MEASURE_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sorts in place. The smallest value that at least `percent` of them do not exceed; 0 of
 * none. */
uint64_t measure_stats_percentile(uint64_t *values, size_t n, unsigned percent);

/* ---- gaps: the counter of a loop that does nothing but read it went on by more than that
 * takes, so something else had the CPU ---- */

struct measure_gaps {
    uint64_t threshold; /* a longer step is a gap; in counts, as all of it */
    uint64_t usual;     /* of a step that is none: it is not lost */
    uint64_t n, lost, longest;
};

/* Of steps that were seen and the counts of a microsecond. A counter whose reading traps
 * takes a microsecond each time, and is not interrupted by that. */
void measure_gaps_init(struct measure_gaps *g, uint64_t usual, double counts_per_us);

/* false: the counter went back, as where a guest is moved to another machine. */
static inline bool measure_gaps_step(struct measure_gaps *g, uint64_t step)
{
    if (__builtin_expect(step <= g->threshold, 1))
        return true;
    if (step > INT64_MAX)
        return false;
    g->n++;
    g->lost += step - g->usual;
    g->longest = step > g->longest ? step : g->longest;
    return true;
}

/* ---- who had it ---- */

struct measure_lost {
    uint64_t lost_ns;  /* by gaps in all */
    uint64_t wall_ns;  /* of the windows */
    uint64_t cpu_ns;   /* that the kernel says the thread ran */
    int64_t waited_ns; /* that the thread could run and did not; -1: not known */
    uint64_t steal_ns; /* of the CPU meanwhile, in whole ticks */
    uint64_t tick_ns;
    bool steal_is_told; /* by the hypervisor, or there is none */
};

/* *ret_stolen, *ret_preempted: as in AuditCore. Together never more than was lost. */
void measure_stats_attribute(const struct measure_lost *l, int64_t *ret_stolen,
                             int64_t *ret_preempted);

#endif
