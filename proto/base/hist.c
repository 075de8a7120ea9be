/* SPDX-License-Identifier: MIT */
/* hist.c - see hist.h.
 *
 * Values below 2^p have a bucket each; above, every power of two is cut into 2^p equal
 * buckets. Every sum saturates, and a saturating sum of non-negative numbers does not
 * depend on its order: that is what makes a merge exact even then.
 *
 * Encoded, all varints, each in its shortest form so that equal histograms are equal
 * bytes: p, count, sum, min, max, then for each bucket in use how many unused ones lie
 * before it since the last, and its count.
 */
#include "proto/base/hist.h"

#include "proto/base/cur.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int hist_init(struct hist *h, unsigned p)
{
    if (p < 5 || p > 7)
        return -EINVAL;
    size_t n = (size_t)(33 - p) << p;
    uint32_t *counts = calloc(n, sizeof *counts);
    if (!counts)
        return -ENOMEM;
    *h = (struct hist){.p = p, .n_buckets = n, .counts = counts};
    return 0;
}

void hist_fini(struct hist *h)
{
    free(h->counts);
    *h = (struct hist){0};
}

static size_t bucket_of(unsigned p, uint64_t us)
{
    if (us >> p == 0)
        return (size_t)us;
    unsigned shift = 63 - (unsigned)__builtin_clzll(us) - p;
    return ((size_t)shift << p) + (size_t)(us >> shift);
}

static uint64_t middle_of(unsigned p, size_t bucket)
{
    if (bucket >> p == 0)
        return bucket;
    unsigned shift = (unsigned)(bucket >> p) - 1;
    uint64_t low = (uint64_t)(bucket - ((size_t)shift << p)) << shift;
    return low + ((1ull << shift) - 1) / 2;
}

static uint64_t add64(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint32_t add32(uint32_t a, uint32_t b)
{
    return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

void hist_add(struct hist *h, uint64_t us)
{
    if (us > UINT32_MAX)
        us = UINT32_MAX;
    uint32_t *c = &h->counts[bucket_of(h->p, us)];
    *c = add32(*c, 1);
    h->min = h->count == 0 || us < h->min ? us : h->min;
    h->max = us > h->max ? us : h->max;
    h->count = add64(h->count, 1);
    h->sum = add64(h->sum, us);
}

int hist_merge(struct hist *into, const struct hist *from)
{
    if (into->p != from->p)
        return -EINVAL;
    if (from->count == 0)
        return 0;
    for (size_t i = 0; i < into->n_buckets; i++)
        into->counts[i] = add32(into->counts[i], from->counts[i]);
    into->min = into->count == 0 || from->min < into->min ? from->min : into->min;
    into->max = from->max > into->max ? from->max : into->max;
    into->count = add64(into->count, from->count);
    into->sum = add64(into->sum, from->sum);
    return 0;
}

/* The nearest rank: how many values are at or below the quantile; at least 1. */
static uint64_t rank_of(double q, uint64_t total)
{
    double x = q * (double)total;
    uint64_t r = (uint64_t)x;
    if ((double)r < x)
        r++;
    return r < 1 ? 1 : r > total ? total : r;
}

uint64_t hist_quantile(const struct hist *h, double q)
{
    uint64_t total = 0, seen = 0;
    if (!(q > 0))
        return h->min;
    if (q >= 1)
        return h->max;
    /* Not h->count: a saturated bucket holds less than was added. */
    for (size_t i = 0; i < h->n_buckets; i++)
        total += h->counts[i];
    if (total == 0)
        return 0;
    uint64_t rank = rank_of(q, total);
    size_t i = 0;
    while ((seen += h->counts[i]) < rank)
        i++;
    uint64_t v = middle_of(h->p, i);
    return v < h->min ? h->min : v > h->max ? h->max : v;
}

static int put_varint(struct buf *out, uint64_t v)
{
    uint8_t bytes[10];
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        bytes[n++] = (uint8_t)(v | 0x80);
    bytes[n++] = (uint8_t)v;
    return buf_add(out, bytes, n);
}

static uint64_t get_varint(struct cur *c)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t b = cur_u8(c);
        if (shift == 63 && b > 1)
            break; /* past 64 bits */
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) {
            c->bad = c->bad || (b == 0 && shift > 0); /* not the shortest form */
            return v;
        }
    }
    c->bad = true;
    return 0;
}

int hist_encode(const struct hist *h, struct buf *out)
{
    const uint64_t head[] = {h->p, h->count, h->sum, h->min, h->max};
    size_t len = out->len, next = 0;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof head / sizeof *head; i++)
        rc = put_varint(out, head[i]);
    for (size_t i = 0; rc == 0 && i < h->n_buckets; i++) {
        if (h->counts[i] == 0)
            continue;
        rc = put_varint(out, i - next);
        if (rc == 0)
            rc = put_varint(out, h->counts[i]);
        next = i + 1;
    }
    if (rc < 0)
        out->len = len;
    return rc;
}

/* Fill the buckets; false when they are not in order, or not what the head says. */
static bool read_buckets(struct hist *h, struct cur *c)
{
    size_t next = 0, first = h->n_buckets;
    uint64_t total = 0;
    bool full = false;
    while (cur_left(c) > 0 && !c->bad) {
        uint64_t gap = get_varint(c), n = get_varint(c);
        if (c->bad || gap >= h->n_buckets - next || n == 0 || n > UINT32_MAX)
            return false;
        size_t i = next + (size_t)gap;
        first = total ? first : i;
        h->counts[i] = (uint32_t)n;
        total += n;
        full = full || n == UINT32_MAX;
        next = i + 1;
        if (next == h->n_buckets)
            break;
    }
    if (c->bad || cur_left(c) > 0)
        return false;
    if (h->count == 0)
        return total == 0;
    if (full ? total > h->count : total != h->count)
        return false;
    return total && first == bucket_of(h->p, h->min) &&
           next == bucket_of(h->p, h->max) + 1;
}

static bool head_agrees(const struct hist *h)
{
    if (h->count == 0)
        return h->sum == 0 && h->min == 0 && h->max == 0;
    if (h->min > h->max || h->max > UINT32_MAX)
        return false;
    if (h->sum == UINT64_MAX) /* saturated: says nothing */
        return true;
    return h->sum / h->count >= h->min &&
           h->sum / h->count + (h->sum % h->count != 0) <= h->max;
}

int hist_decode(struct hist *h, const void *data, size_t len, struct err *e)
{
    struct cur c = cur_of(data, len);
    uint64_t p = get_varint(&c);
    if (!c.bad && p != h->p)
        return err_set(e, ERR_PARSE, "read a histogram: its precision is %llu, not %u",
                       (unsigned long long)p, h->p);
    h->count = get_varint(&c);
    h->sum = get_varint(&c);
    h->min = get_varint(&c);
    h->max = get_varint(&c);
    if (!c.bad && head_agrees(h) && read_buckets(h, &c))
        return 0;
    memset(h->counts, 0, h->n_buckets * sizeof *h->counts);
    h->count = h->sum = h->min = h->max = 0;
    return err_set(e, ERR_PARSE,
                   "read a histogram: %zu bytes that contradict themselves", len);
}
