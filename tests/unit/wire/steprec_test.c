/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/cur.h"
#include "proto/wire/steprec.h"

#define MANY 200000u

static struct ring *ring_make(void)
{
    struct ring *r = calloc(1, RING_BYTES);
    assert_non_null(r);
    ring_init(r);
    return r;
}

static void test_record_round_trip_and_layout(void **state)
{
    (void)state;
    struct steprec a = {.rank = 1,
                        .step = 2,
                        .t_end_ns = 3,
                        .wall_us = 10,
                        .wait_us = 4,
                        .n_coll = 5,
                        .payload_kib = 6,
                        .cpu_us = 7,
                        .rundelay_us = 8,
                        .throttled_us = 9,
                        .blocked_us = 10,
                        .stolen_us = 11,
                        .gpu_throttle_us = 12,
                        .nvcsw = 13,
                        .nivcsw = 14,
                        .majflt = 15,
                        .minflt16 = 16,
                        .gpu_event_mask = 17,
                        .sm_mhz_min = 18,
                        .flags = STEPREC_GAP,
                        .source = STEPREC_CLIENT,
                        .confidence = 20};
    struct steprec b;
    uint8_t x[STEPREC_BYTES];
    memset(&b, 0, sizeof b);
    steprec_encode(&a, x);
    steprec_decode(x, &b);
    uint8_t y[STEPREC_BYTES];
    steprec_encode(&b, y);
    assert_memory_equal(x, y, sizeof x);
    assert_int_equal(x[0], 1);
    assert_int_equal(x[4], 2);
    assert_int_equal(x[8], 3);
    assert_int_equal(x[16], 10);
    assert_int_equal(x[68], STEPREC_GAP);
    assert_int_equal(x[71], 20);
    assert_int_equal(steprec_busy_us(&b), 6);
    b.wait_us = 11;
    assert_int_equal(steprec_busy_us(&b), 0);
}

static void test_full_ring_counts_drops(void **state)
{
    (void)state;
    struct ring *r = ring_make();
    uint8_t x[STEPREC_BYTES] = {0}, out[8][STEPREC_BYTES];
    uint64_t lost = 77;
    assert_memory_equal(&r->magic, "AOARING1", 8);
    assert_int_equal(ring_pop(r, out, 8, &lost), 0);
    assert_int_equal(lost, 0);
    for (unsigned i = 0; i < RING_RECORDS; i++)
        assert_int_equal(ring_push(r, x), 0);
    assert_int_equal(ring_push(r, x), -ENOSPC);
    assert_int_equal(ring_push(r, x), -ENOSPC);
    assert_int_equal(atomic_load(&r->dropped), 2);
    assert_int_equal(ring_pop(r, out, 8, NULL), 8);
    assert_int_equal(ring_push(r, x), 0);
    free(r);
}

static void test_consumer_survives_a_hostile_head(void **state)
{
    (void)state;
    static const struct {
        uint64_t head, tail;
        unsigned n;
        uint64_t lost;
    } t[] = {
        {0, 1, 0, RING_RECORDS},
        {UINT64_MAX, 0, 0, RING_RECORDS},
        {RING_RECORDS + 1, 0, 0, RING_RECORDS},
        {RING_RECORDS, 0, 4, 0},
        {2, UINT64_MAX, 3, 0},
        {UINT64_MAX, UINT64_MAX - 1, 1, 0},
        {9, 9, 0, 0},
    };
    struct ring *r = ring_make();
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        uint8_t out[4][STEPREC_BYTES];
        uint64_t lost = 99;
        atomic_store(&r->head, t[i].head);
        atomic_store(&r->tail, t[i].tail);
        r->records = UINT32_MAX; /* never believed */
        assert_int_equal(ring_pop(r, out, 4, &lost), t[i].n);
        assert_int_equal(lost, t[i].lost);
        if (lost)
            assert_int_equal(atomic_load(&r->tail), t[i].head);
        assert_int_equal(ring_pop(r, out, 0, &lost), 0);
    }
    free(r);
}

static void *produce(void *arg)
{
    struct ring *r = arg;
    uint8_t x[STEPREC_BYTES];
    for (uint32_t i = 0; i < MANY; i++) {
        memset(x, (int)(i & 0xff), sizeof x);
        (void)put_u32(x + 4, i);
        while (ring_push(r, x) < 0)
            sched_yield();
    }
    return NULL;
}

static void test_two_threads_keep_order_and_bytes(void **state)
{
    (void)state;
    struct ring *r = ring_make();
    static uint8_t out[64][STEPREC_BYTES];
    pthread_t t;
    uint32_t next = 0;
    assert_int_equal(pthread_create(&t, NULL, produce, r), 0);
    while (next < MANY) {
        uint64_t lost;
        unsigned n = ring_pop(r, out, 64, &lost);
        assert_int_equal(lost, 0);
        if (n == 0)
            sched_yield();
        for (unsigned i = 0; i < n; i++, next++) {
            struct steprec s;
            steprec_decode(out[i], &s);
            assert_int_equal(s.step, next);
            assert_int_equal(out[i][0], next & 0xff);
            assert_int_equal(out[i][STEPREC_BYTES - 1], next & 0xff);
        }
    }
    pthread_join(t, NULL);
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record_round_trip_and_layout),
        cmocka_unit_test(test_full_ring_counts_drops),
        cmocka_unit_test(test_consumer_survives_a_hostile_head),
        cmocka_unit_test(test_two_threads_keep_order_and_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
