/* SPDX-License-Identifier: MIT */
/* hist_fuzz.c - any bytes as a histogram: what is taken is the only encoding of what it
 * means, its quantiles are in order, and merging it twice is merging it twice. */
#include "proto/base/hist.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int truth)
{
    if (!truth)
        abort();
}

static void check_quantiles(const struct hist *h)
{
    uint64_t last = 0;
    for (int i = 0; i <= 20; i++) {
        uint64_t q = hist_quantile(h, i / 20.0);
        check(q >= last && q >= h->min && q <= h->max);
        last = q;
    }
}

static void check_encoding(const struct hist *h, const uint8_t *data, size_t size)
{
    struct buf b;
    buf_init(&b, 1u << 20);
    check(hist_encode(h, &b) == 0);
    if (data)
        check(b.len == size && memcmp(b.data, data, size) == 0);
    struct hist back;
    check(hist_init(&back, h->p) == 0);
    check(hist_decode(&back, b.data, b.len, NULL) == 0);
    check(memcmp(back.counts, h->counts, h->n_buckets * sizeof *h->counts) == 0);
    hist_fini(&back);
    buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hist h, twice;
    unsigned p = size && data[0] >= 5 && data[0] <= 7 ? data[0] : 5;
    if (hist_init(&h, p) < 0 || hist_init(&twice, p) < 0)
        return 0;
    if (hist_decode(&h, data, size, NULL) == 0) {
        check_quantiles(&h);
        check_encoding(&h, data, size);
        check(hist_merge(&twice, &h) == 0 && hist_merge(&twice, &h) == 0);
        check_quantiles(&twice);
        check_encoding(&twice, NULL, 0);
        hist_add(&h, size);
        check_encoding(&h, NULL, 0);
    } else {
        check(h.count == 0 && hist_quantile(&h, 0.5) == 0);
    }
    hist_fini(&h);
    hist_fini(&twice);
    return 0;
}
