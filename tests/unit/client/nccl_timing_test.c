/* SPDX-License-Identifier: MIT */
/* What takes longer than the driver of tests/nccl can wait for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>

#include "proto/client/nccl/timing.c"

static const struct collrec rec = {.comm = 5, .bytes = 64, .seq = 9, .n_ranks = 2};

static void test_old_ones_make_room(void **state)
{
    (void)state;
    static const struct {
        uint64_t after_ns;
        bool room;
    } t[] = {
        {0, false},
        {TIMING_OLD_NS - 1, false},
        {TIMING_OLD_NS, false},
        {TIMING_OLD_NS + 1, true},
        {3600 * 1000000000ull, true},
    };
    struct timing *p = calloc(1, sizeof *p);
    assert_non_null(p);
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct collrec told;
        uint64_t first = 0, now = 1000 + i * 10000 * 1000000000ull;
        for (unsigned n = 0; n < TIMING_SLOTS; n++) {
            uint64_t h = timing_open(p, &rec, 1, now);
            assert_int_not_equal(h, 0); /* those of the row before are old by now */
            first = n == 0 ? h : first;
        }
        uint64_t late = timing_start(p, first, 0, 50);
        assert_int_not_equal(late, 0);
        uint64_t next = timing_open(p, &rec, 1, now + t[i].after_ns);
        assert_int_equal(next != 0, t[i].room);
        /* A stamp of the one that had to go reaches nobody. */
        assert_int_equal(timing_stop(p, late, 60, now + t[i].after_ns, &told),
                         t[i].room ? TIMING_MORE : TIMING_DONE);
        if (!t[i].room)
            continue;
        assert_int_equal(timing_start(p, first, 0, 50), 0);
        late = timing_start(p, next, 0, 70);
        assert_int_equal(timing_stop(p, late, 75, now + t[i].after_ns, &told),
                         TIMING_DONE);
        assert_int_equal(told.dur_ns, 5);
    }
    free(p);
}

static void test_what_the_host_saw_bounds_it(void **state)
{
    (void)state;
    static const struct {
        uint64_t took_ns, host_ns;
        enum timing_end end;
        uint32_t dur_ns;
    } t[] = {
        {500, 0, TIMING_DONE, 500}, /* told of a moment after it began */
        {SLACK_NS, 0, TIMING_DONE, SLACK_NS},
        {SLACK_NS + 1, 0, TIMING_BAD, 0},
        {SLACK_NS + 1, 1, TIMING_DONE, SLACK_NS + 1},
        {5000000000, 4900000000, TIMING_DONE, UINT32_MAX}, /* saturates */
        {5000000000, 4800000000, TIMING_BAD, 0},
    };
    struct timing *p = calloc(1, sizeof *p);
    assert_non_null(p);
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct collrec told = {0};
        uint64_t h = timing_start(p, timing_open(p, &rec, 1, 1000), 0, 7);
        assert_int_equal(
            timing_stop(p, h, 7 + t[i].took_ns, 1000 + t[i].host_ns, &told), t[i].end);
        assert_int_equal(told.dur_ns, t[i].dur_ns);
        if (t[i].end == TIMING_DONE)
            assert_true(told.kind == COLLREC_DONE && told.seq == 9 && told.comm == 5 &&
                        told.t_ns == 1000 + t[i].host_ns);
    }
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_old_ones_make_room),
        cmocka_unit_test(test_what_the_host_saw_bounds_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
