/* SPDX-License-Identifier: MIT */
/* pair_rate.c - numbers of a pair: the steady rate of a stream and the quantiles of trips. */
#include <stdlib.h>

#include "agent/audit/pair_impl.h"

/* Left out at the start, of all slots: a shaper's bucket and socket buffers are full. */
#define START_SLOTS (PAIR_SLOTS * 2 / 5)

void pair_rate_start(struct pair_rate *r, uint64_t from_ns, uint64_t window_ns)
{
    *r = (struct pair_rate){.from_ns = from_ns, .last_ns = from_ns};
    r->slot_ns = window_ns / PAIR_SLOTS ? window_ns / PAIR_SLOTS : 1;
}

bool pair_rate_add(struct pair_rate *r, uint64_t now_ns, size_t bytes)
{
    uint64_t slot = now_ns > r->from_ns ? (now_ns - r->from_ns) / r->slot_ns : 0;
    if (slot >= PAIR_SLOTS)
        return false;
    r->bytes[slot] += bytes;
    if (now_ns > r->last_ns)
        r->last_ns = now_ns;
    return true;
}

/* A stream that ended early has its own later part: what came in time counts, and the time
 * goes on to what came last. */
void pair_rate_steady(const struct pair_rate *r, uint64_t *ret_bytes, uint64_t *ret_ns)
{
    uint64_t len = r->last_ns - r->from_ns, slots = len / r->slot_ns;
    uint64_t first = slots >= PAIR_SLOTS / 2 ? START_SLOTS : slots * 2 / 5;
    uint64_t bytes = 0;
    for (uint64_t i = first; i < PAIR_SLOTS; i++)
        bytes += r->bytes[i];
    *ret_bytes = bytes;
    *ret_ns = len - first * r->slot_ns;
}

uint64_t pair_mbytes(uint64_t bytes, uint64_t ns)
{
    if (ns == 0)
        return 0;
    double mbytes = (double)bytes * 1e3 / (double)ns;
    return mbytes > 1e9 ? 1000000000 : (uint64_t)(mbytes + 0.5);
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

void pair_trips(uint64_t *ns, size_t n, Aolani__AuditPair *p)
{
    p->trips = (uint32_t)n;
    if (n == 0)
        return;
    qsort(ns, n, sizeof *ns, by_size);
    p->p50_ns = ns[(n - 1) / 2];
    p->p99_ns = ns[(n - 1) * 99 / 100];
    p->max_ns = ns[n - 1];
}
