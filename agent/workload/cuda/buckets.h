/* SPDX-License-Identifier: MIT */
/* buckets - which part of the gradient may be summed over the ranks when. The backward pass
 * finishes it from its end to its beginning; as soon as a bucket is full it can go. The same
 * cuts on every rank. Pure. */
#ifndef CUDA_BUCKETS_H
#define CUDA_BUCKETS_H

#include <stdbool.h>
#include <stddef.h>

struct buckets {
    size_t end;  /* what lies from here on is on its way */
    size_t full; /* numbers in a bucket */
};

/* Everything from number `ready` on is there; 0: everything. True: sum [*at, *at + *n), and
 * ask again. */
bool buckets_take(struct buckets *b, size_t ready, size_t *at, size_t *n);

#endif
