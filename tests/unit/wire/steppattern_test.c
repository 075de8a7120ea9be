/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "proto/wire/steppattern.h"

#define NONE UINT32_MAX

static void test_numbers_are_found(void **state)
{
    static const struct {
        const char *pattern, *line;
        uint32_t want; /* NONE: no step */
    } rows[] = {
        {"step ([0-9]+)", "step 12 loss 0.5", 12},
        {"step ([0-9]+)", "2026-11-23 10:00 INFO step 7", 7},
        {"step ([0-9]+)", "steps 7", NONE},
        {"^step ([0-9]+)$", "step 7 ", NONE},
        {"(step|iter)[ :=]+([0-9]+)", "iter: 31/1000", 31},
        {"(a)?step=([0-9]+)", "step=5", 5}, /* a group that took no part */
        {"iteration +([0-9]+)/", " iteration       10/     500 | consumed", 10},
        {"\\[([0-9]{1,6})\\]", "[000123]", 123},
        {"[]{}[:digit:](]*([0-9]+)$", "](5", 5},
        {"it ([0-9,]+)", "it 1,000", NONE},
        {"it ([-0-9]+)", "it -3", NONE},
        {"it ([0-9]*)", "it ", NONE},
        {"it ([0-9]+)", "it 4294967295", 4294967295u},
        {"it ([0-9]+)", "it 4294967296", NONE},
        {"it ([0-9]+)", "it 99999999999999999999999999", NONE},
        {"it ([0-9]+)", "", NONE},
        {"([a-z]+ +)+[a-z]+ +[0-9]+ +[a-z]+ +[a-z]+ +[a-z]+ +step +([0-9]+)",
         "a b 7 c d e step 3", 3},
        {"(a{2,})x([0-9]+)", "aaax1", 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct steppattern p = {0};
        struct err e = {0};
        uint32_t got = 77;
        if (steppattern_compile(&p, rows[i].pattern, &e) < 0)
            fail_msg("row %zu: %s", i, e.text);
        bool is_step = steppattern_match(&p, rows[i].line, &got);
        bool wants = rows[i].want != NONE || strstr(rows[i].line, "4294967295");
        if (is_step != wants || (is_step && got != rows[i].want))
            fail_msg("row %zu: \"%s\" on \"%s\" gives %d, %u", i, rows[i].pattern,
                     rows[i].line, is_step, got);
        steppattern_fini(&p);
    }
}

static void test_what_cannot_be_used_is_refused(void **state)
{
    static const struct {
        const char *pattern, *why;
    } rows[] = {
        {"step [0-9]+", "has no group"},
        {"step \\(([0-9]+\\)", "no POSIX extended regular expression: "},
        {"step ([0-9]+", "no POSIX extended regular expression: "},
        {"step ([0-9+)", "no POSIX extended regular expression: "},
        {"(a)\\1", "\"\\1\" refers back"},
        {"((a{1,100}){1,100})", "repeats come to more than 2000"},
        {"(a{99999999999999999999})", "repeats come to more than 2000"},
        {"(a{3000,})", "repeats come to more than 2000"},
        {"(a{3\\0\\0\\0})", "repeats come to more than 2000"},
        {"(a{1\\,3000})", "repeats come to more than 2000"},
        {"(a++++++++++++)", "repeats come to more than 2000"},
        {"((((((((((((a+)+)+)+)+)+)+)+)+)+)+)+)", "repeats come to more than 2000"},
        {"((((((((((((((((((1))))))))))))))))))", "more than 16 groups"},
        {"", "has no group"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct steppattern p = {0};
        struct err e = {0};
        int rc = steppattern_compile(&p, rows[i].pattern, &e);
        if (rc != ERR_USAGE || !strstr(e.text, rows[i].why) || p.n_groups)
            fail_msg("row %zu: %d, %s", i, rc, e.text);
        steppattern_fini(&p);
    }
}

static void test_its_length_is_bounded(void **state)
{
    char text[STEPPATTERN_MAX + 2];
    struct steppattern p = {0};
    struct err e;
    (void)state;
    memset(text, 'x', sizeof text);
    memcpy(text, "(1)", 3);
    text[STEPPATTERN_MAX + 1] = '\0';
    assert_int_equal(steppattern_compile(&p, text, &e), ERR_USAGE);
    text[STEPPATTERN_MAX] = '\0';
    assert_int_equal(steppattern_compile(&p, text, &e), 0);
    steppattern_fini(&p);
}

/* What a bracket holds is no repeat and no reference. */
static void test_brackets_are_passed_over(void **state)
{
    static const char *const patterns[] = {"[{9999}]([0-9])", "[^]{9999]([0-9])",
                                           "[\\1]([0-9])", "\\{9999([0-9])",
                                           "[[:alpha:]{9999]([0-9])"};
    (void)state;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        struct steppattern p = {0};
        struct err e;
        if (steppattern_compile(&p, patterns[i], &e) < 0)
            fail_msg("\"%s\": %s", patterns[i], e.text);
        steppattern_fini(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_are_found),
        cmocka_unit_test(test_what_cannot_be_used_is_refused),
        cmocka_unit_test(test_its_length_is_bounded),
        cmocka_unit_test(test_brackets_are_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
