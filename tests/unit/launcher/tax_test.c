/* SPDX-License-Identifier: MIT */
/* Does the interval hold what it says? Each row is a study of simulated pairs; the table
 * that the test prints is the answer. TAX_PAIRS=10000 for more pairs (make tax-study). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "launcher/tax/economics.h"
#include "launcher/tax/resample.h"
#include "launcher/tax/student.h"
#include "launcher/tax/tax.h"
#include "tests/lib/tax_sim.h"

#define PLANTED 0.20

/* ---- money: the vectors, and where the article that they come from is at odds with itself */

static void test_days_and_money(void **state)
{
    (void)state;
    const struct {
        const char *what;
        double got, want;
    } cases[] = {
        {"30 days at 20 %", tax_days(30, .20), 36.0},
        {"30 days at 15 %: \"34\" when cut off", tax_days(30, .15), 34.5},
        {"30 days at 25 %: \"37\" when cut off", tax_days(30, .25), 37.5},
        {"30 days at 10 %", tax_days(30, .10), 33.0},
        {"30 days at 4 %", tax_days(30, .04), 31.2},
        {"30 days at 5 %", tax_days(30, .05), 31.5},
        {"lost of 72 h at 15 %", tax_days(72, .15) - 72, 10.8},
        {"lost of 72 h at 25 %", tax_days(72, .25) - 72, 18.0},
        {"50 at 25 %", tax_money_fast(50, .25), 40.0},
        {"50 at 20 %", tax_money_fast(50, .20), 41.6667},
        /* The article's "40 to 42" for "15 to 20 %" is the share of the bill... */
        {"50, of which 20 % are tax", 50 * (1 - .20), 40.0},
        {"50, of which 15 % are tax", 50 * (1 - .15), 42.5},
        /* ...while its "34 to 37 days" is the slowdown. As a slowdown 15 % would be: */
        {"50 at 15 %", tax_money_fast(50, .15), 43.4783},
        {"share of the bill at 25 %", tax_share(.25), 0.20},
        {"the same, the other way", tax_money_fast(50, .25), 50 * (1 - tax_share(.25))},
        {"break-even at 20 %", tax_break_even(.20), 1.20},
        {"at the break-even price", tax_money_fast(50, .2) * tax_break_even(.2), 50},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (fabs(cases[i].got - cases[i].want) > 1e-3)
            fail_msg("%s: %.4f, not %.4f", cases[i].what, cases[i].got, cases[i].want);
    /* Whole days, as the article has them, are cut off and not rounded. */
    assert_int_equal((int)floor(tax_days(30, .15)), 34);
    assert_int_equal((int)floor(tax_days(30, .25)), 37);
}

static void test_quantiles_of_t(void **state)
{
    (void)state;
    static const struct {
        double df, p, want;
    } cases[] = {
        {1, .95, 12.7062},  {2, .95, 4.30265},    {3, .95, 3.18245},
        {4, .95, 2.77645},  {2.5, .95, 3.57465},  {10, .95, 2.22814},
        {30, .95, 2.04227}, {1000, .95, 1.96234}, {INFINITY, .95, 1.95996},
        {4, .99, 4.60409},  {1, .5, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double got = student_within(cases[i].p, cases[i].df);
        if (fabs(got - cases[i].want) > 2e-4 * cases[i].want)
            fail_msg("t of %g at %g: %.5f, not %.5f", cases[i].df, cases[i].p, got,
                     cases[i].want);
    }
}

/* ---- the block length follows the run's memory */

static void test_blocks_are_as_long_as_the_memory(void **state)
{
    (void)state;
    static const double rho[] = {0, .3, .6, .9};
    size_t before = 0;
    struct random r;
    random_init(&r, 3);
    for (size_t i = 0; i < sizeof rho / sizeof *rho; i++) {
        struct sim s = {.steps = 1024, .noise = .05};
        struct tax_run run;
        struct series series;
        sim_run(&s, &r, rho[i], 1, &run, &series);
        size_t length = resample_length(&series);
        if (length < before || length < 10 || length > 96)
            fail_msg("memory %.1f: blocks of %zu steps after %zu", rho[i], length,
                     before);
        before = length;
    }
    assert_true(before > 20);
}

static void test_blocks_of_short_and_even_runs(void **state)
{
    (void)state;
    struct series s;
    struct random r;
    double x[8];
    random_init(&r, 1);
    series_init(&s);
    assert_int_equal(resample_means(&s, &r, x, 8), -1);
    for (int i = 0; i < 3; i++)
        series_add(&s, 1000);
    assert_int_equal(resample_means(&s, &r, x, 8), -1);
    for (int i = 0; i < 3000; i++)
        series_add(&s, 1000);
    assert_true(resample_length(&s) >= 1);
    assert_int_equal(resample_means(&s, &r, x, 8), 0);
    for (int i = 0; i < 8; i++)
        assert_true(fabs(x[i]) < 1e-9);
}

/* ---- coverage */

static unsigned pairs_wanted(void)
{
    const char *text = getenv("TAX_PAIRS");
    long n = text ? strtol(text, NULL, 10) : 0;
    return n > 0 && n < 10000000 ? (unsigned)n : 1000;
}

#define USUAL                                                                \
    .steps = 600, .rho_low = .3, .rho_high = .9, .noise = .05, .burst = .01, \
    .run_low = .01, .run_high = .05

static void test_the_interval_holds_what_it_says(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        struct sim s;
        double low, high; /* percent of pairs in which the truth is in the interval */
    } rows[] = {
        {"3 runs each", {3, 3, USUAL, .tau = PLANTED}, 93, 97},
        {"5 runs each", {5, 5, USUAL, .tau = PLANTED}, 93, 97},
        {"10 runs each", {10, 10, USUAL, .tau = PLANTED}, 93, 97},
        {"3 against 10", {3, 10, USUAL, .tau = PLANTED}, 93, 97},
        {"4 in pairs", {4, 4, USUAL, .tau = PLANTED, .paired = true}, 93, 97},
        {"A/A, 3 runs each", {3, 3, USUAL}, 93, 97},
        {"A/A, 5 runs each", {5, 5, USUAL}, 93, 97},
        /* Runs that are all alike: wider than needed is the price of three runs. */
        {"alike, 5 runs each",
         {5, 5, .steps = 600, .rho_low = .3, .rho_high = .9, .noise = .05, .burst = .01,
          .tau = PLANTED},
         95,
         100},
        /* Nothing but the steps themselves, of which one run each is enough. */
        {"alike, 1 run each",
         {1, 1, .steps = 1000, .rho_low = .3, .rho_high = .9, .noise = .05,
          .burst = .01, .tau = PLANTED},
         91,
         97},
    };
    unsigned pairs = pairs_wanted(), bad = 0;
    print_message("%u pairs a row       covers  called  half width\n", pairs);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct sim_result r = sim_study(&rows[i].s, pairs, 1 + i);
        double covers = 100.0 * r.covered / r.pairs,
               called = 100.0 * r.called / r.pairs;
        print_message("%-20s  %4.1f %%  %5.1f %%  %5.2f %%\n", rows[i].what, covers,
                      called, 100 * r.width);
        bad += r.failed > 0 || covers < rows[i].low || covers > rows[i].high;
        bad += rows[i].s.tau == 0 && called > 5;
        bad += rows[i].s.n_a == 1 && r.called > 0;
    }
    if (bad)
        fail_msg("%u of the rows above are not as they should be", bad);
}

/* ---- the numbers of one comparison */

static struct tax_run run_of(double mean_us, double own_us, double preempted_us)
{
    struct tax_run r = {.steps = 100, .mean_us = mean_us, .median_us = mean_us * .9};
    r.split = true;
    r.lost_us[MECH_WORK] = own_us * 100;
    r.lost_us[MECH_PREEMPTED] = preempted_us * 100;
    r.small_us = 10 * 100;
    return r;
}

static void test_parts_sum_up(void **state)
{
    (void)state;
    struct tax_run a[] = {run_of(990, 5, 0), run_of(1010, 5, 0), run_of(1000, 5, 0)};
    struct tax_run b[] = {run_of(1190, 5, 99), run_of(1210, 6, 101),
                          run_of(1200, 4, 100)};
    struct tax t;
    struct err e;
    assert_int_equal(
        tax_compare(&(struct tax_arm){a, 3}, &(struct tax_arm){b, 3}, false, &t, &e),
        0);
    assert_true(fabs(t.tau - .2) < 1e-12 && fabs(t.usual_tau - .2) < 1e-12);
    assert_true(t.range.low > .15 && t.range.high < .25 && t.between && !t.within);
    assert_true(t.df > 3.8 && t.df <= 4);
    assert_true(t.split);
    assert_true(fabs(t.part[MECH_PREEMPTED].tau - .1) < 1e-12);
    assert_true(fabs(t.part[MECH_WORK].tau) < 1e-12 && t.part[MECH_WORK].a_us == 5);
    assert_true(t.part[MECH_PREEMPTED].range.low > .097);
    assert_true(t.part[MECH_PREEMPTED].range.high < .103);
    assert_true(t.small.tau == 0 && t.small.b_us == 10);
    double sum = t.small.tau + t.base.tau;
    for (int m = 0; m < MECH_N; m++)
        sum += t.part[m].tau;
    assert_true(fabs(sum - t.tau) < 1e-12);
    /* One run without a split: none at all, rather than a part of it. */
    b[1].split = false;
    assert_int_equal(
        tax_compare(&(struct tax_arm){a, 3}, &(struct tax_arm){b, 3}, false, &t, &e),
        0);
    assert_false(t.split);
}

static void test_pairs_take_out_what_both_share(void **state)
{
    (void)state;
    struct tax_run a[] = {run_of(1000, 0, 0), run_of(1100, 0, 0), run_of(1200, 0, 0)};
    struct tax_run b[] = {run_of(1101, 0, 0), run_of(1211, 0, 0), run_of(1319, 0, 0)};
    struct tax_arm arm_a = {a, 3}, arm_b = {b, 3};
    struct tax apart, pairs;
    struct err e;
    assert_int_equal(tax_compare(&arm_a, &arm_b, false, &apart, &e), 0);
    assert_int_equal(tax_compare(&arm_a, &arm_b, true, &pairs, &e), 0);
    assert_true(apart.tau == pairs.tau);
    assert_true(apart.range.low < 0 && pairs.range.low > .09 && pairs.range.high < .11);
}

static void test_one_run_is_not_enough(void **state)
{
    (void)state;
    struct sim s = {1, 1, USUAL, .tau = PLANTED};
    static struct sim_pair p;
    struct tax_arm a, b;
    struct random r;
    struct tax t;
    struct err e;
    random_init(&r, 5);
    sim_make(&s, &r, &p, &a, &b);
    assert_int_equal(tax_compare(&a, &b, false, &t, &e), 0);
    assert_true(!t.between && t.within && isnan(t.spread_a));
    assert_true(t.range.low < t.tau && t.tau < t.range.high);
    p.b[0].series = NULL; /* and without the course of it nothing can be said */
    assert_int_equal(tax_compare(&a, &b, false, &t, &e), 0);
    assert_true(!t.between && !t.within && isnan(t.range.low) && isnan(t.range.high));
}

static void test_the_same_runs_give_the_same_interval(void **state)
{
    (void)state;
    struct sim s = {3, 4, USUAL, .tau = PLANTED};
    static struct sim_pair p;
    struct tax_arm a, b;
    struct random r;
    struct tax first, again;
    struct err e;
    random_init(&r, 6);
    sim_make(&s, &r, &p, &a, &b);
    assert_int_equal(tax_compare(&a, &b, false, &first, &e), 0);
    assert_int_equal(tax_compare(&a, &b, false, &again, &e), 0);
    assert_true(first.range.low == again.range.low &&
                first.range.high == again.range.high);
    /* Against itself: nothing, exactly, and no call. */
    assert_int_equal(tax_compare(&a, &a, false, &again, &e), 0);
    assert_true(again.tau == 0 && again.range.low < 0 && again.range.high > 0);
}

static void test_runs_that_are_none(void **state)
{
    (void)state;
    struct series broken = {.per_block = 1, .n = 1},
                  long_one = {.n = SERIES_BLOCKS + 1};
    struct tax_run good = run_of(1000, 1, 1), bad[7];
    for (int i = 0; i < 7; i++)
        bad[i] = good;
    bad[0].steps = 0;
    bad[1].mean_us = NAN;
    bad[2].mean_us = -1;
    bad[3].lost_us[2] = INFINITY;
    bad[4].small_us = -3;
    bad[5].series = &broken;
    bad[6].series = &long_one;
    struct tax t;
    struct err e;
    for (int i = 0; i < 7; i++)
        if (tax_compare(&(struct tax_arm){&good, 1}, &(struct tax_arm){&bad[i], 1},
                        false, &t, &e) != ERR_PARSE)
            fail_msg("bad run %d was taken", i);
    struct tax_run two[] = {good, good};
    struct tax_arm one = {&good, 1}, none = {&good, 0}, pair = {two, 2};
    assert_int_equal(tax_compare(&one, &none, false, &t, &e), ERR_USAGE);
    assert_int_equal(tax_compare(&one, &pair, true, &t, &e), ERR_USAGE);
    struct tax_arm many = {two, TAX_RUNS + 1};
    assert_int_equal(tax_compare(&one, &many, false, &t, &e), ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_days_and_money),
        cmocka_unit_test(test_quantiles_of_t),
        cmocka_unit_test(test_blocks_are_as_long_as_the_memory),
        cmocka_unit_test(test_blocks_of_short_and_even_runs),
        cmocka_unit_test(test_the_interval_holds_what_it_says),
        cmocka_unit_test(test_parts_sum_up),
        cmocka_unit_test(test_pairs_take_out_what_both_share),
        cmocka_unit_test(test_one_run_is_not_enough),
        cmocka_unit_test(test_the_same_runs_give_the_same_interval),
        cmocka_unit_test(test_runs_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
