/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "launcher/variance/series.h"

static void test_blocks_of_any_length_of_run(void **state)
{
    (void)state;
    static const struct {
        uint32_t steps, per_block;
        size_t n;
        uint32_t last;
    } cases[] = {
        {0, 1, 0, 0},
        {1, 1, 1, 1},
        {SERIES_BLOCKS, 1, SERIES_BLOCKS, 1},
        {SERIES_BLOCKS + 1, 2, SERIES_BLOCKS / 2 + 1, 1},
        {SERIES_BLOCKS + 2, 2, SERIES_BLOCKS / 2 + 1, 2},
        {SERIES_BLOCKS + 3, 2, SERIES_BLOCKS / 2 + 2, 1},
        {2 * SERIES_BLOCKS, 2, SERIES_BLOCKS, 2},
        {2 * SERIES_BLOCKS + 1, 4, SERIES_BLOCKS / 2 + 1, 1},
        {1000000, 1024, 977, 576},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        struct series s;
        series_init(&s);
        for (uint32_t i = 0; i < cases[c].steps; i++)
            series_add(&s, i);
        assert_int_equal(s.per_block, cases[c].per_block);
        assert_int_equal(s.n, cases[c].n);
        uint64_t next = 0; /* the step that the block begins with */
        for (size_t i = 0; i < s.n; i++) {
            uint32_t k = i + 1 < s.n ? cases[c].per_block : cases[c].last;
            assert_int_equal(s.blocks[i].steps, k);
            assert_int_equal(s.blocks[i].t_us, k * next + (uint64_t)k * (k - 1) / 2);
            next += k;
        }
        assert_int_equal(next, cases[c].steps);
    }
}

/* The longest steps that a record can hold, for as many steps as a long run has. */
static void test_sums_do_not_wrap(void **state)
{
    (void)state;
    struct series s;
    uint64_t steps = 0, t_us = 0;
    series_init(&s);
    for (uint32_t i = 0; i < 3000000; i++)
        series_add(&s, UINT32_MAX);
    for (size_t i = 0; i < s.n; i++) {
        steps += s.blocks[i].steps;
        t_us += s.blocks[i].t_us;
    }
    assert_int_equal(steps, 3000000);
    assert_int_equal(t_us, 3000000ull * UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_of_any_length_of_run),
        cmocka_unit_test(test_sums_do_not_wrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
