/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/variance/stepsource.h"

/* Records as they come: a letter for the source (c, n, l; ? rubbish), the rank after it,
 * "*8" so many of them. Verdicts: - dropped, + taken, 1 the first, ! anew. */
static const struct row {
    const char *wish;
    bool pattern;
    const char *records, *verdicts, *chosen, *why;
} rows[] = {
    {"auto", true, "c0 c1 n0 l0", "1+--", "client", ""},
    {"auto", false, "l0 n0 n1", "-1+", "nccl", "the program marks none itself"},
    {"auto", true, "l0 l1 l0", "1++", "log",
     "the program marks none itself, and NCCL told of no collectives"},
    {"auto", true, "?0 l0", "1-", "client", ""},
    {"auto", true, "l0 n0 n1 l0 c0 c1 c2", "1!+--!+", "client", ""},
    /* not before it tells of nearly as many ranks */
    {"auto", true, "n0 n1 n2 n3 c0 c1 n0 c2 c3 n0", "1+++--+-!-", "client", ""},
    {"auto", true, "n0 n1 n2 n3 c0 c0*99 n0", "1+++--+", "nccl",
     "the program marks those of 1 of 4 ranks"},
    /* one rank that marks does not hide the others for good */
    {"auto", false, "c0 n0 n1 n2 n3*4 c0 n0*30 n1", "1----+!+", "nccl",
     "the program marks those of 1 of 4 ranks"},
    {"auto", false, "c0 c1 n0 n1 n2 n3*40 n0", "1+-----", "client", ""},
    {"auto", true, "c0 l0*9 l1*9 l2*9 l3*9 c0 c1 c2", "1--!+---", "log",
     "the program marks those of 3 of 4 ranks, and NCCL told of no collectives"},
    {"auto", true, "c0 l0*9 l1*9 l2*9 c1 c2", "1--!-!", "client", ""},
    {"client", true, "n0 l0 c0 n1", "--1-", "client", "steps.source asks for them"},
    {"nccl", true, "c0 l0 n0 c1", "--1-", "nccl", "steps.source asks for them"},
    {"log", true, "c0 n0 l0 c1", "--1-", "log", "steps.source asks for them"},
    {"auto", true, "c4 c9 c4000000000", "---", "", ""}, /* no such rank */
    {"auto", true, "", "", "", ""},
};

static unsigned source_of(char c)
{
    const char *at = strchr("-cnl", c);
    return at ? (unsigned)(at - "-cnl") : 200;
}

static void run_row(size_t i)
{
    const struct row *w = &rows[i];
    struct stepsource s;
    char got[64] = "", why[STEPSOURCE_TEXT];
    assert_int_equal(stepsource_init(&s, w->wish, w->pattern, 4), 0);
    for (const char *p = w->records; *p;) {
        unsigned source = source_of(*p);
        char *end;
        uint32_t rank = (uint32_t)strtoul(p + 1, &end, 10);
        uint64_t n = *end == '*' ? strtoul(end + 1, &end, 10) : 1;
        got[strlen(got)] = "-+1!"[stepsource_see(&s, rank, source, n)];
        for (p = end; *p == ' '; p++)
            ;
    }
    stepsource_why(&s, "", why);
    if (strcmp(got, w->verdicts) || strcmp(stepsource_name(s.chosen), w->chosen) ||
        strcmp(why, w->why))
        fail_msg("row %zu (%s): \"%s\" \"%s\" \"%s\", not \"%s\" \"%s\" \"%s\"", i,
                 w->records, got, stepsource_name(s.chosen), why, w->verdicts,
                 w->chosen, w->why);
    stepsource_fini(&s);
}

static void test_the_best_source_is_taken(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        run_row(i);
}

static void test_without_steps_the_way_out_is_said(void **state)
{
    static const struct {
        const char *wish;
        bool pattern;
        const char *nccl_why, *want; /* NULL: nothing is said */
    } cases[] = {
        {"auto", false, "", NULL},
        {"auto", true, "", "matched steps.log_pattern"},
        {"log", true, "", "matched steps.log_pattern"},
        {"client", false, "", "see aolani.h and aolani.py"},
        {"nccl", false, "", "NCCL told of no collectives; mark them"},
        {"nccl", false, "its NCCL loads no profiler",
         "and its NCCL loads no profiler;"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct stepsource s;
        char text[STEPSOURCE_TEXT] = "";
        assert_int_equal(stepsource_init(&s, cases[i].wish, cases[i].pattern, 2), 0);
        bool said = stepsource_missing(&s, cases[i].nccl_why, text);
        if (said != (cases[i].want != NULL) || (said && !strstr(text, cases[i].want)))
            fail_msg("row %zu: %s", i, text);
        (void)stepsource_see(&s, 0, STEPREC_CLIENT, 1);
        (void)stepsource_see(&s, 0, STEPREC_NCCL, 1);
        (void)stepsource_see(&s, 0, STEPREC_LOG, 1);
        assert_false(stepsource_missing(&s, "", text));
        stepsource_fini(&s);
    }
}

static void test_words(void **state)
{
    char text[STEPSOURCE_TEXT];
    (void)state;
    stepsource_words(STEPREC_CLIENT, "x", text);
    assert_string_equal(text, "marked by the program (libaolani)");
    stepsource_words(STEPREC_NCCL, "", text);
    assert_string_equal(text, "from NCCL's collectives");
    stepsource_words(STEPREC_NCCL, "AllReduce of 8 ranks", text);
    assert_string_equal(text, "from NCCL's collectives (AllReduce of 8 ranks)");
    stepsource_words(STEPREC_LOG, "x", text);
    assert_string_equal(text, "lines of the output that match log_pattern");
    stepsource_words(STEPREC_NONE, "x", text);
    assert_string_equal(text, "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_best_source_is_taken),
        cmocka_unit_test(test_without_steps_the_way_out_is_said),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
