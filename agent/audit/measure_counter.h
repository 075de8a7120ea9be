/* SPDX-License-Identifier: MIT */
/* measure_counter - the CPU's own counter of time, which is read in a few ns and without
 * the kernel, and its rate. Where there is none it is CLOCK_MONOTONIC.
 *
 * It is only compared with itself on one CPU: it need not agree between them. */
#ifndef AGENT_AUDIT_MEASURE_COUNTER_H
#define AGENT_AUDIT_MEASURE_COUNTER_H

#include <stdint.h>

#include "proto/base/clock.h"

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

static inline uint64_t measure_counter(void)
{
#if defined(__x86_64__)
    return __rdtsc();
#elif defined(__aarch64__)
    uint64_t v;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(v));
    return v;
#else
    return clock_mono_ns();
#endif
}

/* Both clocks at one moment, as nearly as they can be read. */
struct measure_moment {
    uint64_t counter, ns;
};
struct measure_moment measure_moment(void);
/* ns of one count between two moments; 0: it did not move. */
double measure_counter_ns(const struct measure_moment *a,
                          const struct measure_moment *b);

uint64_t measure_thread_ns(void); /* that this thread ran, as the kernel has it */

#endif
