/* SPDX-License-Identifier: MIT */
/* hist_test.c - the properties that everything above relies on: a merge gives the bits
 * that adding all gives, quantiles are within the bound, bytes come back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/hist.h"

#define MAX (1u << 20)

static uint64_t seed;

/* xorshift64*: the same numbers everywhere. */
static uint64_t rnd(void)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return seed * 0x2545f4914f6cdd1dull;
}

/* All sizes alike: a random number of bits, some past 32. */
static uint64_t rnd_value(void)
{
    return rnd() >> (rnd() % 64 > 2 ? 32 + rnd() % 32 : 30);
}

static void assert_same(const struct hist *a, const struct hist *b)
{
    assert_int_equal(a->p, b->p);
    assert_int_equal(a->n_buckets, b->n_buckets);
    assert_memory_equal(a->counts, b->counts, a->n_buckets * sizeof *a->counts);
    assert_true(a->count == b->count && a->sum == b->sum);
    assert_true(a->min == b->min && a->max == b->max);
}

static void test_init(void **state)
{
    (void)state;
    static const size_t buckets[] = {[5] = 896, [6] = 1728, [7] = 3328};
    for (unsigned p = 0; p < 10; p++) {
        struct hist h = {0};
        int rc = hist_init(&h, p);
        assert_int_equal(rc, p >= 5 && p <= 7 ? 0 : -EINVAL);
        if (rc == 0)
            assert_int_equal(h.n_buckets, buckets[p]);
        assert_int_equal(hist_quantile(&h, 0.5), 0);
        hist_fini(&h);
        hist_fini(&h);
    }
}

/* Every value's bucket, alone, gives the value back within 2^-(p+1). */
static void test_every_size_of_value(void **state)
{
    (void)state;
    for (unsigned p = 5; p <= 7; p++) {
        for (unsigned bits = 0; bits <= 32; bits++) {
            for (int near = -2; near <= 2; near++) {
                uint64_t v = (1ull << bits) + (uint64_t)near;
                if (v > UINT32_MAX)
                    continue;
                struct hist h;
                assert_int_equal(hist_init(&h, p), 0);
                hist_add(&h, v);
                assert_true(hist_quantile(&h, 0.5) == v); /* clamped to min and max */
                h.min = 0;
                h.max = UINT32_MAX;
                uint64_t q = hist_quantile(&h, 0.5), off = q > v ? q - v : v - q;
                assert_true(off << (p + 1) <= v);
                hist_fini(&h);
            }
        }
    }
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void check_quantiles(const struct hist *h, uint64_t *v, size_t n)
{
    static const double qs[] = {-1,   0,   0.001, 0.01, 0.1,   0.25, 0.5,
                                0.75, 0.9, 0.95,  0.99, 0.999, 1,    2};
    qsort(v, n, sizeof *v, compare);
    uint64_t last = 0;
    for (size_t i = 0; i < sizeof qs / sizeof *qs; i++) {
        double x = qs[i] * (double)n;
        size_t rank = x <= 1 ? 1 : x >= (double)n ? n : (size_t)x;
        if (x > (double)rank && rank < n)
            rank++;
        uint64_t right = v[rank - 1], q = hist_quantile(h, qs[i]);
        uint64_t off = q > right ? q - right : right - q;
        assert_true(off << (h->p + 1) <= right);
        assert_true(q >= last && q >= h->min && q <= h->max);
        last = q;
    }
}

static void test_quantiles_against_a_sorted_array(void **state)
{
    (void)state;
    enum { N = 2000 };
    seed = 1;
    for (int round = 0; round < 60; round++) {
        uint64_t v[N], sum = 0;
        size_t n = 1 + rnd() % N;
        struct hist h;
        assert_int_equal(hist_init(&h, 5 + (unsigned)round % 3), 0);
        for (size_t i = 0; i < n; i++) {
            v[i] = round % 2 ? 9000 + rnd() % 2000 : rnd_value();
            hist_add(&h, v[i]);
            v[i] = v[i] > UINT32_MAX ? UINT32_MAX : v[i];
            sum += v[i];
        }
        check_quantiles(&h, v, n);
        assert_true(h.min == v[0] && h.max == v[n - 1] && h.count == n && h.sum == sum);
        hist_fini(&h);
    }
}

static void test_merge_is_adding_all(void **state)
{
    (void)state;
    seed = 2;
    for (int round = 0; round < 60; round++) {
        unsigned p = 5 + (unsigned)round % 3;
        struct hist part[3], all, left, right;
        assert_int_equal(hist_init(&all, p), 0);
        assert_int_equal(hist_init(&left, p), 0);
        assert_int_equal(hist_init(&right, p), 0);
        for (int k = 0; k < 3; k++) {
            assert_int_equal(hist_init(&part[k], p), 0);
            for (uint64_t n = rnd() % 4 ? rnd() % 500 : 0; n > 0; n--) {
                uint64_t v = rnd_value();
                hist_add(&part[k], v);
                hist_add(&all, v);
            }
        }
        for (int k = 0; k < 3; k++) {
            assert_int_equal(hist_merge(&left, &part[k]), 0);
            assert_int_equal(hist_merge(&right, &part[2 - k]), 0);
        }
        assert_same(&left, &all);
        assert_same(&right, &all);
        assert_int_equal(hist_merge(&part[1], &part[2]), 0); /* a + (b + c) */
        assert_int_equal(hist_merge(&part[0], &part[1]), 0);
        assert_same(&part[0], &all);
        for (int k = 0; k < 3; k++)
            hist_fini(&part[k]);
        hist_fini(&all);
        hist_fini(&left);
        hist_fini(&right);
    }
}

static void test_merge_refuses_other_precision(void **state)
{
    (void)state;
    struct hist a, b;
    assert_int_equal(hist_init(&a, 5), 0);
    assert_int_equal(hist_init(&b, 7), 0);
    assert_int_equal(hist_merge(&a, &b), -EINVAL);
    hist_fini(&a);
    hist_fini(&b);
}

static void round_trip(const struct hist *h)
{
    struct buf b, again;
    struct hist back;
    struct err e;
    buf_init(&b, MAX);
    buf_init(&again, MAX);
    assert_int_equal(hist_init(&back, h->p), 0);
    assert_int_equal(hist_encode(h, &b), 0);
    assert_int_equal(hist_decode(&back, b.data, b.len, &e), 0);
    assert_same(h, &back);
    assert_int_equal(hist_encode(&back, &again), 0);
    assert_int_equal(b.len, again.len);
    assert_memory_equal(b.data, again.data, b.len);
    hist_fini(&back);
    buf_fini(&b);
    buf_fini(&again);
}

static void test_encode_and_decode(void **state)
{
    (void)state;
    seed = 3;
    for (unsigned round = 0; round < 200; round++) {
        struct hist h;
        assert_int_equal(hist_init(&h, 5 + round % 3), 0);
        for (uint64_t n = round ? rnd() % (1 + round * 3) : 0; n > 0; n--)
            hist_add(&h, rnd_value());
        round_trip(&h);
        hist_fini(&h);
    }
}

static void test_saturation(void **state)
{
    (void)state;
    struct hist a, b;
    assert_int_equal(hist_init(&a, 7), 0);
    assert_int_equal(hist_init(&b, 7), 0);
    hist_add(&a, UINT64_MAX); /* as 2^32-1, in sum, min and max too */
    hist_add(&b, UINT32_MAX);
    assert_same(&a, &b);
    assert_int_equal(a.counts[a.n_buckets - 1], 1);
    round_trip(&a);

    a.counts[a.n_buckets - 1] = UINT32_MAX; /* as if 2^32 - 1 of them had come */
    a.count = UINT32_MAX;
    a.sum = a.count * UINT32_MAX;
    hist_add(&a, UINT32_MAX);
    assert_int_equal(a.counts[a.n_buckets - 1], UINT32_MAX);
    assert_true(a.count == 1ull << 32);
    round_trip(&a);
    hist_add(&a, 5);
    assert_int_equal(hist_merge(&b, &a), 0);
    assert_int_equal(b.counts[b.n_buckets - 1], UINT32_MAX);
    assert_true(b.sum == UINT64_MAX); /* saturated */
    assert_true(hist_quantile(&b, 0.5) >= UINT32_MAX - (UINT32_MAX >> 8));
    round_trip(&b);
    hist_fini(&a);
    hist_fini(&b);
}

/* No bytes crash it, and what is refused leaves the histogram empty. */
static void expect_refused(const void *data, size_t len)
{
    struct hist h, empty;
    struct err e;
    assert_int_equal(hist_init(&h, 5), 0);
    assert_int_equal(hist_init(&empty, 5), 0);
    assert_int_equal(hist_decode(&h, data, len, &e), ERR_PARSE);
    assert_same(&h, &empty);
    hist_fini(&h);
    hist_fini(&empty);
}

static void test_hostile_bytes(void **state)
{
    (void)state;
#define ROW(text)             \
    {                         \
        text, sizeof text - 1 \
    }
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {
        ROW(""),
        ROW("\x05"),
        ROW("\x07\0\0\0\0"),                         /* another precision */
        ROW("\x05\0\0\0"),                           /* cut */
        ROW("\x05\0\x01\0\0"),                       /* empty, with a sum */
        ROW("\x05\0\0\0\0\x01\x01"),                 /* empty, with a bucket */
        ROW("\x05\x01\x03\x03\x03"),                 /* one value, no bucket */
        ROW("\x05\x01\x03\x03\x03\x04\x01"),         /* in the wrong bucket */
        ROW("\x05\x01\x03\x03\x03\x03\x02"),         /* twice */
        ROW("\x05\x01\x03\x03\x03\x03\0"),           /* never */
        ROW("\x05\x01\x04\x03\x03\x03\x01"),         /* sum past max */
        ROW("\x05\x01\x02\x03\x03\x03\x01"),         /* sum below min */
        ROW("\x05\x02\x06\x04\x02\x02\x01\x01\x01"), /* min past max */
        ROW("\x05\x01\x03\x03\x03\x03\x01\0"),       /* more behind it */
        ROW("\x05\x01\x03\x03\x03\x83\0\x01"),       /* not the shortest form */
        ROW("\x05\x01\x03\x03\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01"),
        ROW("\x05\x01\x03\x03\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x01"),
        ROW("\x05\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
        ROW("\x05\x01\x80\x80\x80\x80\x10\x80\x80\x80\x80\x10\x80\x80\x80\x80\x10\0"
            "\x01"),
    };
#undef ROW
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_refused(rows[i].bytes, rows[i].len);
    struct hist h;
    assert_int_equal(hist_init(&h, 5), 0);
    assert_int_equal(hist_decode(&h, "\x05\x01\x03\x03\x03\x03\x01", 7, NULL), 0);
    assert_true(hist_quantile(&h, 0.5) == 3);
    hist_fini(&h);
}

static void test_every_prefix_is_refused(void **state)
{
    (void)state;
    struct hist h;
    struct buf b;
    buf_init(&b, MAX);
    seed = 4;
    assert_int_equal(hist_init(&h, 5), 0);
    for (int i = 0; i < 100; i++)
        hist_add(&h, rnd_value());
    assert_int_equal(hist_encode(&h, &b), 0);
    for (size_t len = 0; len < b.len; len++)
        expect_refused(b.data, len);
    size_t len = b.len;
    b.max = len + 9;
    assert_int_equal(hist_encode(&h, &b), ERR_LIMIT);
    assert_int_equal(b.len, len);
    hist_fini(&h);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_init),
        cmocka_unit_test(test_every_size_of_value),
        cmocka_unit_test(test_quantiles_against_a_sorted_array),
        cmocka_unit_test(test_merge_is_adding_all),
        cmocka_unit_test(test_merge_refuses_other_precision),
        cmocka_unit_test(test_encode_and_decode),
        cmocka_unit_test(test_saturation),
        cmocka_unit_test(test_hostile_bytes),
        cmocka_unit_test(test_every_prefix_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
