/* SPDX-License-Identifier: MIT */
/* cgroupstat - how long a CPU quota has kept the control group of a thread from running.
 *
 * The kernel counts this for a group, not for a thread: a sum over its CPUs and over all
 * that is in it. It is an upper bound, good for a comparison with the thread's own run
 * delay, which contains the same time. The counters move when the group may run again,
 * so the throttled thread itself always finds its own time counted.
 */
#ifndef PROTO_CLIENT_CGROUPSTAT_H
#define PROTO_CLIENT_CGROUPSTAT_H

#include <stdint.h>

#include "proto/client/keptfd.h"

/* Groups above one another that count for themselves; deeper ones are left out. */
#define CGROUPSTAT_LEVELS 6

struct cgroupstat_level {
    struct keptfd file;
    uint64_t last_ns;
    bool grows; /* it has, since we know it */
};
struct cgroupstat {
    char own[512]; /* the group that the levels are of, as /proc names it */
    unsigned n;
    struct cgroupstat_level level[CGROUPSTAT_LEVELS];
    uint64_t sum_ns; /* growth of all levels */
    uint64_t read_at_delay_ns;
};

/* Find the calling thread's group, if it is not the one that is known; open what was
 * closed under us. Tens of microseconds the first time and after a move, else a few. */
void cgroupstat_look(struct cgroupstat *g);
/* Nanoseconds of all groups that the thread is in, from an arbitrary zero, never falling.
 * delay_ns: the thread's run delay. A group that was never throttled costs nothing for as
 * long as this does not rise. */
uint64_t cgroupstat_read(struct cgroupstat *g, uint64_t delay_ns);
void cgroupstat_close(struct cgroupstat *g);

#endif
