/* SPDX-License-Identifier: MIT */
/* measure_counter.c - see measure_counter.h. */
#include "agent/audit/measure_counter.h"

#include <time.h>

#define TRIES 5u

/* Of a few tries the one that took the shortest: the others were interrupted. */
struct measure_moment measure_moment(void)
{
    struct measure_moment best = {0};
    uint64_t least = UINT64_MAX;
    for (unsigned i = 0; i < TRIES; i++) {
        uint64_t before = measure_counter();
        uint64_t ns = clock_mono_ns();
        uint64_t took = measure_counter() - before;
        if (took >= least)
            continue;
        least = took;
        best.counter = before + took / 2;
        best.ns = ns;
    }
    return best;
}

double measure_counter_ns(const struct measure_moment *a,
                          const struct measure_moment *b)
{
    if (b->counter <= a->counter || b->ns <= a->ns)
        return 0;
    return (double)(b->ns - a->ns) / (double)(b->counter - a->counter);
}

uint64_t measure_thread_ns(void)
{
    struct timespec t;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) < 0)
        return 0;
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
