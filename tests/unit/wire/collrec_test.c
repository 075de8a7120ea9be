/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/wire/collrec.h"

#define LEN(a) (sizeof(a) / sizeof(a)[0])

static void test_record_round_trip_and_layout(void **state)
{
    (void)state;
    struct collrec a = {.t_ns = 0x0102030405060708,
                        .comm = 0xf1f2f3f4f5f6f7f8,
                        .bytes = 3,
                        .seq = 4,
                        .dur_ns = UINT32_MAX,
                        .n_ranks = 0x0506,
                        .kind = COLLREC_DONE,
                        .flags = COLLREC_GAP,
                        .sig = {COLL_REDUCE, 7, 20},
                        .pad = 99};
    struct collrec b;
    uint8_t x[COLLREC_BYTES], y[COLLREC_BYTES];
    collrec_encode(&a, x);
    assert_true(collrec_decode(x, &b));
    collrec_encode(&b, y);
    assert_memory_equal(x, y, sizeof x);
    static const struct {
        unsigned at, is;
    } t[] = {{0, 0x08},         {7, 0x01},
             {8, 0xf8},         {16, 3},
             {24, 4},           {28, 0xff},
             {32, 0x06},        {33, 0x05},
             {35, 2 /* GAP */}, {34, COLLREC_DONE},
             {36, COLL_REDUCE}, {37, 7},
             {38, 20},          {39, 0}};
    for (size_t i = 0; i < LEN(t); i++)
        assert_int_equal(x[t[i].at], t[i].is);
    assert_true(b.comm == a.comm && b.n_ranks == a.n_ranks && b.dur_ns == a.dur_ns);
}

static void test_what_is_no_record_is_refused(void **state)
{
    (void)state;
    static const struct {
        uint8_t kind, func;
        bool good;
    } t[] = {
        {COLLREC_CALL, COLL_OTHER, true},
        {COLLREC_COMM, COLL_RECV, true},
        {0, COLL_ALLREDUCE, false},
        {COLLREC_COMM + 1, COLL_ALLREDUCE, false},
        {255, 255, false},
        {COLLREC_CALL, COLL_N, false},
        {COLLREC_DONE, 255, false},
    };
    for (size_t i = 0; i < LEN(t); i++) {
        struct collrec r = {.kind = t[i].kind, .sig.func = t[i].func},
                       got = {.seq = 77};
        uint8_t x[COLLREC_BYTES];
        collrec_encode(&r, x);
        assert_int_equal(collrec_decode(x, &got), t[i].good);
        assert_int_equal(got.seq, t[i].good ? 0 : 77); /* untouched when refused */
    }
}

static void test_signatures(void **state)
{
    (void)state;
    static const struct {
        unsigned func, datatype;
        uint64_t bytes;
        struct collsig is;
    } t[] = {
        {COLL_ALLREDUCE, 7, 0, {COLL_ALLREDUCE, 7, 0}},
        {COLL_ALLREDUCE, 7, 1, {COLL_ALLREDUCE, 7, 0}},
        {COLL_ALLREDUCE, 7, 1023, {COLL_ALLREDUCE, 7, 9}},
        {COLL_ALLREDUCE, 7, 1024, {COLL_ALLREDUCE, 7, 10}},
        {COLL_ALLGATHER, 0, UINT64_MAX, {COLL_ALLGATHER, 0, 63}},
        {COLL_ALLTOALL, 9, 4096, {COLL_ALLTOALL, 9, 0}},
        {COLL_SEND, 9, 4096, {COLL_SEND, 9, 0}},
        {COLL_RECV, 9, 4096, {COLL_RECV, 9, 0}},
        {COLL_N, 300, 2, {COLL_OTHER, 255, 1}},
    };
    for (size_t i = 0; i < LEN(t); i++) {
        struct collsig s = collsig_of(t[i].func, t[i].datatype, t[i].bytes);
        assert_int_equal(collsig_key(s), collsig_key(t[i].is));
    }
    for (unsigned f = 0; f <= COLL_N; f++)
        assert_non_null(coll_func_name(f));
    assert_string_equal(coll_func_name(COLL_ALLREDUCE), "AllReduce");
    assert_string_equal(coll_func_name(COLL_RECV), "Recv");
    assert_string_equal(coll_func_name(999), coll_func_name(COLL_OTHER));
}

static void test_full_lane_counts_drops(void **state)
{
    (void)state;
    struct collfile *f = calloc(1, COLLFILE_BYTES);
    assert_non_null(f);
    collfile_init(f);
    assert_memory_equal(&f->magic, "AOACOLL1", 8);
    assert_int_equal(f->lanes, COLL_LANES);
    assert_int_equal(f->wish.depth, COLL_DEPTH_CALLS);
    struct colllane *l = &f->lane[COLL_LANES - 1];
    uint8_t x[COLLREC_BYTES] = {0};
    for (unsigned i = 0; i < COLL_RECORDS; i++) {
        x[0] = (uint8_t)i;
        assert_int_equal(colllane_push(l, x), 0);
    }
    x[0] = 7;
    assert_int_equal(colllane_push(l, x), -ENOSPC);
    assert_int_equal(colllane_push(l, x), -ENOSPC);
    assert_int_equal(atomic_load(&l->dropped), 2);
    assert_int_equal(l->record[0][0], 0);
    atomic_store(&l->tail, 1); /* the consumer has taken one */
    assert_int_equal(colllane_push(l, x), 0);
    assert_int_equal(l->record[0][0], 7);
    assert_int_equal(atomic_load(&l->head), COLL_RECORDS + 1);
    assert_int_equal(atomic_load(&f->lane[0].head), 0);
    /* A tail from nowhere: it takes nothing that lies outside. */
    atomic_store(&l->tail, COLL_RECORDS + 9);
    assert_int_equal(colllane_push(l, x), -ENOSPC);
    free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record_round_trip_and_layout),
        cmocka_unit_test(test_what_is_no_record_is_refused),
        cmocka_unit_test(test_signatures),
        cmocka_unit_test(test_full_lane_counts_drops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
