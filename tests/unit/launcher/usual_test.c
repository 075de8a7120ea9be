/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "launcher/variance/usual.h"
#include "tests/lib/stream.h"

static void test_few_values_are_exact(void **state)
{
    (void)state;
    static const double v[] = {9, 1, 5, 1000, 3, 7};
    static const double median[] = {9, 5, 5, 7, 5, 6}, mad[] = {0, 4, 4, 4, 4, 3};
    struct usual u;
    usual_init(&u);
    for (size_t i = 0; i < 6; i++) {
        usual_add(&u, v[i]);
        assert_int_equal(u.n, i + 1);
        if (u.median != median[i] || u.mad != mad[i])
            fail_msg("after %zu values: median %g, mad %g", i + 1, u.median, u.mad);
    }
    usual_add(&u, NAN);
    usual_add(&u, INFINITY);
    usual_add(&u, -INFINITY);
    assert_int_equal(u.n, 6);
}

/* Values times a factor give a median and spread times that factor. */
static void test_the_unit_does_not_matter(void **state)
{
    (void)state;
    struct stream a = {.seed = 1}, b = {.seed = 1};
    struct usual u, v;
    usual_init(&u);
    usual_init(&v);
    for (int i = 0; i < 5000; i++) {
        usual_add(&u, 10 + stream_normal(&a));
        usual_add(&v, (10 + stream_normal(&b)) * 1024);
        assert_true(u.median * 1024 == v.median && u.mad * 1024 == v.mad);
    }
}

static void test_it_finds_median_and_spread(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct stream s = {.seed = seed};
        struct usual u;
        usual_init(&u);
        for (int i = 0; i < 3000; i++) {
            double v = stream_normal(&s);
            usual_add(&u, 500 + 20 * (stream_uniform(&s) < 0.1 ? 1000 * v * v : v));
            /* One in ten is wild and high: the median is that of 45 in 90 others. */
            if (i > 100 && (fabs(u.median - 502.5) > 14 || u.mad < 7 || u.mad > 28))
                fail_msg("seed %u, %d values: median %g, mad %g", (unsigned)seed, i + 1,
                         u.median, u.mad);
        }
    }
}

static void test_wild_values_move_it_by_next_to_nothing(void **state)
{
    (void)state;
    struct stream s = {.seed = 5};
    struct usual u;
    usual_init(&u);
    for (int i = 0; i < 2000; i++)
        usual_add(&u, 100 + stream_normal(&s));
    double median = u.median;
    for (int i = 0; i < 10; i++)
        usual_add(&u, 1e12);
    assert_true(fabs(u.median - median) < 0.2 && u.mad < 1);
}

/* From one level to another, in spreads, and back; a stream without any spread, too. */
static void test_a_lasting_change_is_followed(void **state)
{
    (void)state;
    static const struct {
        double sigma, from, to;
        int values;
    } cases[] = {
        {1, 100, 103, 90},  {1, 100, 110, 200},  {1, 100, 1000, 500}, {1, 100, 0, 400},
        {1, 100, 1e6, 900}, {0, 100, 150, 500},  {0, 0, 5000, 700},   {0, 100, 0, 550},
        {0, -0.01, 2, 850}, {1e-6, 5, 5.1, 400}, {0, 1000, 0.5, 550},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct stream s = {.seed = i};
        struct usual u;
        int n = 0;
        usual_init(&u);
        for (int k = 0; k < 1000; k++)
            usual_add(&u, cases[i].from + cases[i].sigma * stream_normal(&s));
        double left = fabs(cases[i].to - cases[i].from);
        while (n < 5000 &&
               fabs(u.median - cases[i].to) > fmax(cases[i].sigma, 0.02 * left)) {
            usual_add(&u, cases[i].to + cases[i].sigma * stream_normal(&s));
            n++;
        }
        if (n > cases[i].values)
            fail_msg("from %g to %g, sigma %g: %d values", cases[i].from, cases[i].to,
                     cases[i].sigma, n);
    }
}

/* Ascending, descending, to and fro, all zero but for some. */
static void test_the_order_of_values(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        struct usual u;
        usual_init(&u);
        for (int i = 0; i < 4000; i++) {
            double up = i % 100;
            usual_add(&u, kind == 0   ? up
                          : kind == 1 ? 99 - up
                          : kind == 2 ? (i % 2 ? 0 : 99)
                                      : (i % 50 ? 0 : 99));
        }
        if (kind < 3 ? u.median < -5 || u.median > 104 || u.mad > 60
                     : fabs(u.median) > 1 || u.mad > 1)
            fail_msg("kind %d: median %g, mad %g", kind, u.median, u.mad);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_values_are_exact),
        cmocka_unit_test(test_the_unit_does_not_matter),
        cmocka_unit_test(test_it_finds_median_and_spread),
        cmocka_unit_test(test_wild_values_move_it_by_next_to_nothing),
        cmocka_unit_test(test_a_lasting_change_is_followed),
        cmocka_unit_test(test_the_order_of_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
