/* SPDX-License-Identifier: MIT */
/* amplify_test.c - distributions whose expected maximum is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "launcher/variance/amplify.h"

#define DRAWS 1000000u

static void fill_uniform(struct hist *h)
{
    for (uint32_t i = 0; i < DRAWS; i++)
        hist_add(h, i % 10000);
}

/* Mean 200, by quantiles. */
static void fill_exponential(struct hist *h)
{
    for (uint32_t i = 0; i < DRAWS; i++)
        hist_add(h, (uint64_t)(-200 * log((i + 0.5) / DRAWS) + 0.5));
}

/* One in 10000 is late by 50 %. */
static void fill_two_points(struct hist *h)
{
    for (uint32_t i = 0; i < DRAWS; i++)
        hist_add(h, i % 10000 ? 0 : 5000);
}

static void fill_constant(struct hist *h)
{
    for (uint32_t i = 0; i < 1000; i++)
        hist_add(h, 300);
}

static void fill_nothing(struct hist *h)
{
    (void)h;
}

static double uniform(double n)
{
    return n / (n + 1) - 0.5;
}

/* Harmonic numbers. */
static double exponential(double n)
{
    double sum = 0;
    for (double i = 1; i <= n; i++)
        sum += 1 / i;
    return 0.02 * (sum - log(2));
}

static double two_points_hit(double n)
{
    return 1 - pow(1 - 1e-4, n);
}

static double two_points(double n)
{
    return 0.5 * two_points_hit(n);
}

static double nothing(double n)
{
    return 0 * n;
}

static double unknown(double n)
{
    return NAN * n;
}

static const struct {
    const char *what;
    void (*fill)(struct hist *h);
    double (*loss)(double ranks), (*hit)(double ranks); /* hit NULL: not compared */
    double median;
    uint32_t most; /* ranks */
    double reach;
} rows[] = {
    {"uniform", fill_uniform, uniform, NULL, 0.5, 1000000, DRAWS},
    {"exponential", fill_exponential, exponential, NULL, 0.0139, 16384, DRAWS},
    {"two points", fill_two_points, two_points, two_points_hit, 0, 1000000, DRAWS},
    {"always the same", fill_constant, nothing, nothing, 0.03, 1000000, 1000},
    {"no data", fill_nothing, unknown, unknown, 0, 8, 0},
};

/* A bucket's middle is that close to any value in it. */
static bool near(double is, double should, double median, unsigned p)
{
    if (isnan(should))
        return isnan(is);
    return fabs(is - should) <= ldexp(should + 2 * median, -(int)p - 1) + 1e-4;
}

static void test_closed_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (unsigned p = 5; p <= 7; p++) {
            struct hist h;
            struct amplify a;
            assert_int_equal(hist_init(&h, p), 0);
            rows[i].fill(&h);
            for (uint32_t n = 2; n <= rows[i].most; n *= 2) {
                amplify_to(&h, n, &a);
                assert_int_equal(a.ranks, n);
                assert_true(a.reach >= rows[i].reach && a.reach <= rows[i].reach);
                double should = rows[i].loss(n);
                if (!near(a.loss, should, rows[i].median, p))
                    fail_msg("%s, p %u, %u ranks: loss %g, not %g", rows[i].what, p, n,
                             a.loss, should);
                if (rows[i].hit && !near(a.hit, rows[i].hit(n), 0, p))
                    fail_msg("%s, p %u, %u ranks: hit %g, not %g", rows[i].what, p, n,
                             a.hit, rows[i].hit(n));
            }
            hist_fini(&h);
        }
    }
}

/* The table that is often quoted: one rank-step in 10000 is hit. */
static void test_one_in_ten_thousand(void **state)
{
    static const struct {
        uint32_t ranks;
        double percent, digit;
    } steps[] = {{8, 0.1, 0.05}, {512, 5, 0.5}, {4096, 34, 0.5}, {16384, 81, 0.5}};
    struct hist h;
    struct amplify a;
    (void)state;
    assert_int_equal(hist_init(&h, 5), 0);
    fill_two_points(&h);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        amplify_to(&h, steps[i].ranks, &a);
        if (fabs(100 * a.hit - steps[i].percent) > steps[i].digit)
            fail_msg("%u ranks: %g %%", steps[i].ranks, 100 * a.hit);
    }
    hist_fini(&h);
}

/* More ranks never wait less, and a rare value is not rounded away. */
static void test_rare(void **state)
{
    struct hist h;
    struct amplify a;
    double last = 0;
    (void)state;
    assert_int_equal(hist_init(&h, 5), 0);
    for (uint32_t i = 0; i < 10 * DRAWS; i++)
        hist_add(&h, i % 7);
    hist_add(&h, 90000);
    for (uint32_t n = 1; n <= 1u << 20; n *= 2) {
        amplify_to(&h, n, &a);
        assert_true(a.loss >= last);
        last = a.loss;
        double hit = n / (10.0 * DRAWS + 1);
        if (n == 1 && fabs(a.hit / hit - 1) > 1e-9)
            fail_msg("one rank is hit %g, not %g", a.hit, hit);
    }
    hist_fini(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_closed_forms),
        cmocka_unit_test(test_one_in_ten_thousand),
        cmocka_unit_test(test_rare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
