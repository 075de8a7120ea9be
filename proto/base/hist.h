/* SPDX-License-Identifier: MIT */
/* hist - an integer log-linear histogram of microseconds, exact under merge.
 *
 * With precision p a bucket's midpoint is within 2^-(p+1) of any value in it:
 * p = 7: 0.39 %, 6: 0.78 %, 5: 1.56 %. Values 0..2^32-1 us; larger ones saturate.
 * Only integers: merging is associative, commutative and gives the same bits on
 * every CPU. min, max, sum and count are kept exactly. Caller owns the struct.
 */
#ifndef PROTO_BASE_HIST_H
#define PROTO_BASE_HIST_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/err.h"

struct hist {
    unsigned p;       /* 5..7 */
    size_t n_buckets; /* (33 - p) << p */
    uint32_t *counts; /* saturating */
    uint64_t count, sum, min, max;
};

int hist_init(struct hist *h, unsigned p); /* 0, -EINVAL, -ENOMEM */
void hist_fini(struct hist *h);            /* takes a zeroed one */
void hist_add(struct hist *h, uint64_t us);
int hist_merge(struct hist *into, const struct hist *from); /* -EINVAL: other p */
/* The value at quantile q in [0, 1]: midpoint of its bucket, clamped to min..max; 0 when
 * empty. */
uint64_t hist_quantile(const struct hist *h, double q);
/* Sparse form: delta-varint bucket, varint count. */
int hist_encode(const struct hist *h, struct buf *out);
/* Into an initialised, empty histogram; ERR_PARSE leaves it empty. */
int hist_decode(struct hist *h, const void *data, size_t len, struct err *e);

#endif
