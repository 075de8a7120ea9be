/* SPDX-License-Identifier: MIT */
/* witness - who else ran on the core of a rank, or that nobody did, and when, by the
 * scheduler's own events: an account of it that knows nothing of run delay. What runs on a
 * machine by itself is found like what is injected, and must not be held against whoever
 * finds it. */
#ifndef TESTS_SCORE_WITNESS_H
#define TESTS_SCORE_WITNESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct witness { /* of one CPU; zeroed: there is none */
    void *ring;
    size_t bytes;
    int fd;
};

/* -errno: the kernel does not let us. Nothing runs until the end: it only fills memory. */
int witness_open(struct witness *w, int cpu);
/* "PREFIX.witness<rank>" gets a line for each stretch in which the rank did not run there:
 * "other" where somebody else did, "idle" where nobody did. */
void witness_write(const struct witness *w, const char *prefix, uint32_t rank,
                   pid_t pid);

#endif
