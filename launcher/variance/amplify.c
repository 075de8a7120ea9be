/* SPDX-License-Identifier: MIT */
/* amplify.c - the expected maximum of N draws is the sum over values of how likely the
 * maximum is to lie above: 1 - F^N with F the share of draws at or below. 1 - F is added up
 * from the largest value down, and raised by log1p and expm1, so that one draw in a billion
 * is still one when N is a million. A bucket stands for its middle; 0 for itself. */
#include "launcher/variance/amplify.h"

#include <math.h>

#define PER_ONE 10000.0 /* the histogram's unit */
#define LATE    500     /* 5 % */

struct tail {
    const struct hist *h;
    double all;  /* draws; the counters saturate */
    double seen; /* so far, from the top */
};

/* How likely one of N lies among those seen. */
static double any_of(const struct tail *t, double ranks)
{
    if (t->seen >= t->all)
        return 1;
    return -expm1(ranks * log1p(-t->seen / t->all));
}

/* As hist.c cuts them: below 2^p each value has a bucket, above each power of two 2^p. */
static double low_of(unsigned p, uint64_t bucket)
{
    uint64_t row = bucket >> p;
    return row == 0 ? (double)bucket
                    : ldexp((double)(bucket - ((row - 1) << p)), (int)row - 1);
}

static double middle_of(const struct hist *h, uint64_t bucket)
{
    double low = low_of(h->p, bucket), high = low_of(h->p, bucket + 1) - 1;
    double middle = (low + high) / 2;
    return fmin(fmax(middle, (double)h->min), (double)h->max);
}

static double median_of(const struct hist *h, double all)
{
    double below = 0;
    for (size_t i = 0; i < h->n_buckets; i++) {
        below += h->counts[i];
        if (2 * below >= all)
            return middle_of(h, i);
    }
    return 0;
}

void amplify_to(const struct hist *h, uint32_t ranks, struct amplify *ret)
{
    struct tail t = {.h = h};
    double expected = 0, hit = 0, before = 0;
    *ret = (struct amplify){.ranks = ranks, .loss = NAN, .hit = NAN};
    for (size_t i = 0; i < h->n_buckets; i++)
        t.all += h->counts[i];
    ret->reach = t.all;
    if (!(t.all > 0) || ranks == 0)
        return;
    for (size_t i = h->n_buckets; i-- > 0;) {
        if (h->counts[i] == 0)
            continue;
        t.seen += h->counts[i];
        double likely = any_of(&t, ranks);
        expected += (likely - before) * middle_of(h, i);
        before = likely;
        if (middle_of(h, i) >= LATE)
            hit = likely;
    }
    ret->loss = fmax(0, expected - median_of(h, t.all)) / PER_ONE;
    ret->hit = hit;
}
