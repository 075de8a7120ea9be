/* SPDX-License-Identifier: MIT */
#include "agent/workload/cuda/buckets.h"

bool buckets_take(struct buckets *b, size_t ready, size_t *at, size_t *n)
{
    size_t have = b->end - ready;
    if (have == 0 || (have < b->full && ready > 0))
        return false;
    *n = have < b->full ? have : b->full;
    *at = b->end -= *n;
    return true;
}
