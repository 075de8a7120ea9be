/* SPDX-License-Identifier: MIT */
/* clocksync - the offset between a node's monotonic clock and the head's, with the error
 * that is honest. Pure.
 *
 * Each ping gives an interval: the node answered somewhere between its sending and its
 * return, so the offset is known to half the round trip. The best one is kept; its error
 * grows by 100 ppm of its age (two crystals), until a newer one is better.
 */
#ifndef LAUNCHER_CLOCKSYNC_H
#define LAUNCHER_CLOCKSYNC_H

#include <stdbool.h>
#include <stdint.h>

struct clocksync {
    bool known;
    int64_t offset_ns; /* node - head */
    uint64_t error_ns; /* when measured */
    uint64_t at_ns;    /* head's time of the measurement */
};

/* Ping left the head at t0, the node answered at its own tn, the answer came at t1. */
void clocksync_sample(struct clocksync *c, uint64_t t0, uint64_t tn, uint64_t t1);
uint64_t clocksync_error(const struct clocksync *c, uint64_t now_ns);
/* A node's time on the head's clock; the error in *ret_error (UINT64_MAX: not known). */
uint64_t clocksync_to_head(const struct clocksync *c, uint64_t tn, uint64_t now_ns,
                           uint64_t *ret_error);

#endif
