/* SPDX-License-Identifier: MIT */
/* clocksync.c - see clocksync.h. */
#include "launcher/clocksync.h"

#define DRIFT_PER_NS 10000u /* 100 ppm: one in ten thousand */

uint64_t clocksync_error(const struct clocksync *c, uint64_t now_ns)
{
    if (!c->known)
        return UINT64_MAX;
    uint64_t age = now_ns > c->at_ns ? now_ns - c->at_ns : 0;
    return c->error_ns + age / DRIFT_PER_NS;
}

void clocksync_sample(struct clocksync *c, uint64_t t0, uint64_t tn, uint64_t t1)
{
    if (t1 < t0)
        return;
    uint64_t error = (t1 - t0) / 2;
    if (c->known && error >= clocksync_error(c, t1))
        return;
    uint64_t middle = t0 + error;
    *c = (struct clocksync){.known = true,
                            .offset_ns = (int64_t)(tn - middle),
                            .error_ns = error,
                            .at_ns = t1};
}

uint64_t clocksync_to_head(const struct clocksync *c, uint64_t tn, uint64_t now_ns,
                           uint64_t *ret_error)
{
    *ret_error = clocksync_error(c, now_ns);
    return c->known ? tn - (uint64_t)c->offset_ns : now_ns;
}
