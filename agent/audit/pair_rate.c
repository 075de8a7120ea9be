/* SPDX-License-Identifier: MIT */
/* pair_rate.c - numbers of a pair: the steady rate of a stream and the quantiles of trips. */
#include <stdlib.h>

#include "agent/audit/pair_impl.h"

/* Left out at the start, of a hundred: a shaper's bucket and socket buffers are full then. */
#define START_PART 40u

void pair_rate_start(struct pair_rate *r, uint64_t from_ns, uint64_t window_ns)
{
    *r = (struct pair_rate){.from_ns = from_ns};
    r->slot_ns = window_ns / PAIR_SLOTS ? window_ns / PAIR_SLOTS : 1;
}

static uint64_t slot_of(const struct pair_rate *r, uint64_t now_ns)
{
    return now_ns > r->from_ns ? (now_ns - r->from_ns) / r->slot_ns : 0;
}

bool pair_rate_wants(const struct pair_rate *r, uint64_t now_ns)
{
    return r->n == 0 || slot_of(r, now_ns) > slot_of(r, r->ns[r->n - 1]);
}

bool pair_rate_add(struct pair_rate *r, uint64_t now_ns, uint64_t total)
{
    if (pair_rate_wants(r, now_ns) && r->n <= PAIR_SLOTS) {
        r->ns[r->n] = now_ns;
        r->total[r->n++] = total;
    }
    return slot_of(r, now_ns) < PAIR_SLOTS;
}

/* Of what there was: a stream that ended early has a later part too. */
void pair_rate_steady(const struct pair_rate *r, uint64_t *ret_bytes, uint64_t *ret_ns)
{
    *ret_bytes = *ret_ns = 0;
    if (r->n < 2)
        return;
    uint64_t end = r->ns[r->n - 1];
    uint64_t start = r->from_ns + (end - r->from_ns) * START_PART / 100;
    size_t first = 0;
    while (first + 2 < r->n && r->ns[first] < start)
        first++;
    if (end <= r->ns[first] || r->total[r->n - 1] < r->total[first])
        return;
    *ret_bytes = r->total[r->n - 1] - r->total[first];
    *ret_ns = end - r->ns[first];
}

/* Never 0 for what was measured: that would say that it was not. */
uint64_t pair_mbytes(uint64_t bytes, uint64_t ns)
{
    if (ns == 0)
        return 0;
    double mbytes = (double)bytes * 1e3 / (double)ns;
    return mbytes > 1e9 ? 1000000000 : mbytes < 1 ? 1 : (uint64_t)(mbytes + 0.5);
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
