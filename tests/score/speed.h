/* SPDX-License-Identifier: MIT */
/* speed - a rank's fixed amount of computing, and by how much it took longer, by the wall,
 * than at the beginning. What of that the scheduler's events (witness.h) and the hypervisor
 * do not explain, the core was slower: it is shared by a hardware thread, has a lower clock,
 * or serves interrupts and exits of a guest. No CPU time is in it, so it bears witness of
 * whether CPU time that rose was work or speed. */
#ifndef TESTS_SCORE_SPEED_H
#define TESTS_SCORE_SPEED_H

#include <stddef.h>
#include <stdint.h>

struct slow {
    uint64_t from_ns, to_ns; /* CLOCK_MONOTONIC: the step's computing */
    double us;               /* by what it took longer */
};

struct speed {
    double per_us; /* iterations in a microsecond, usually */
    struct slow *slow;
    size_t n, max;
};

/* Arithmetic that fits into registers: nobody else's use of memory changes its speed. */
void compute(uint64_t iterations);

/* max: of steps. speed_write frees what it takes. */
void speed_init(struct speed *s, double per_us, size_t max);
/* compute(iterations), and by how many microseconds it took longer. */
double speed_compute(const struct speed *s, uint64_t iterations);
/* Keeps a step that took longer by more than a twentieth of its time. */
void speed_note(struct speed *s, uint64_t from_ns, uint64_t to_ns, double us);
/* "PREFIX.speed<RANK>" gets a line "from_ns to_ns slow rank us" for each. */
void speed_write(struct speed *s, const char *prefix, uint32_t rank);

#endif
