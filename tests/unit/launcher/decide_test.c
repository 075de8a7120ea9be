/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>

#include "launcher/tax/decide.h"

static void test_verdicts(void **state)
{
    (void)state;
    static const struct {
        double low, high, ratio, share;
        bool between;
        enum verdict_kind want;
        bool fine;
        double matters;
    } cases[] = {
        /* no price: 5 % of the bill */
        {.10, .20, NAN, NAN, true, VERDICT_MATTERS, false, .05},
        {.02, .20, NAN, NAN, true, VERDICT_MAYBE, false, .05},
        {.01, .03, NAN, NAN, true, VERDICT_SMALL, true, .05},
        {-.012, .023, NAN, NAN, true, VERDICT_NONE, true, .05},
        {-.012, .123, NAN, NAN, true, VERDICT_UNSURE, false, .05},
        {0, .04, NAN, NAN, true, VERDICT_NONE, true, .05}, /* 0 is in it */
        {-.08, -.01, NAN, NAN, true, VERDICT_FASTER, true, .05},
        /* the GPUs are half of the cost: twice the tax makes the same bill */
        {.06, .09, NAN, .5, true, VERDICT_SMALL, true, .10},
        {.06, .09, NAN, .9, true, VERDICT_MATTERS, false, .05 / .9},
        {.50, .90, NAN, 0, true, VERDICT_SMALL, true, INFINITY},
        /* prices: where both cost the same for the same work */
        {.15, .19, 1.2, NAN, true, VERDICT_SMALL, true, .2},
        {.21, .29, 1.2, .5, true, VERDICT_MATTERS, false, .2},
        {.15, .29, 1.2, NAN, true, VERDICT_MAYBE, false, .2},
        {-.05, .19, 1.2, NAN, true, VERDICT_NONE, true, .2},
        {.01, .02, 1.0, NAN, true, VERDICT_MATTERS, false, 0},
        /* A is cheaper: B must be faster by more than that */
        {-.08, -.01, .95, NAN, true, VERDICT_FASTER, false, -.05},
        {-.08, -.06, .95, NAN, true, VERDICT_FASTER, true, -.05},
        /* one run on a side: never a call, however large */
        {.10, .20, NAN, NAN, false, VERDICT_UNKNOWN, false, .05},
        {-.01, .01, NAN, NAN, false, VERDICT_UNKNOWN, false, .05},
        {NAN, NAN, NAN, NAN, false, VERDICT_UNKNOWN, false, .05},
        {NAN, NAN, NAN, NAN, true, VERDICT_UNKNOWN, false, .05},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tax t = {.between = cases[i].between,
                        .range = {cases[i].low, cases[i].high}};
        struct decide_input in = {&t, 100, .2, cases[i].share, cases[i].ratio};
        struct decision d;
        decide(&in, &d);
        bool same =
            d.matters == cases[i].matters || fabs(d.matters - cases[i].matters) < 1e-9;
        if (d.verdict != cases[i].want || d.b_is_fine != cases[i].fine || !same)
            fail_msg("%.3f to %.3f: %s, fine %d, matters %.4f", cases[i].low,
                     cases[i].high, verdict_kind_name(d.verdict), d.b_is_fine,
                     d.matters);
    }
}

static void test_questions(void **state)
{
    (void)state;
    static const struct {
        double hours, waiting;
        enum answer is_long, is_tight;
    } cases[] = {
        {720, .3, ANSWER_YES, ANSWER_YES},
        {72, .1, ANSWER_NO, ANSWER_NO},
        {NAN, NAN, ANSWER_UNKNOWN, ANSWER_UNKNOWN},
    };
    struct tax t = {.between = true, .range = {.1, .2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct decide_input in = {&t, cases[i].hours, cases[i].waiting, NAN, NAN};
        struct decision d;
        decide(&in, &d);
        assert_int_equal(d.is_long, cases[i].is_long);
        assert_int_equal(d.is_tight, cases[i].is_tight);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_questions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
