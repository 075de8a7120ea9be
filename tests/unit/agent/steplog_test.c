/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/steplog.h"

#define MS 1000000ull

/* ---- what is told, as text: "r1 7@300+100" rank, step, end and wall in ms;
 * "7*": its numbers fell before */

static char got[4096];
static unsigned n_got;
static uint64_t clock_ns, clock_step_ns;

static uint64_t on_now(void)
{
    return clock_ns += clock_step_ns;
}

static void on_step(void *arg, uint32_t rank, const struct steprec *r)
{
    char one[64];
    (void)arg;
    assert_int_equal(r->rank, rank);
    assert_int_equal(r->source, STEPREC_LOG);
    assert_int_equal(r->flags & ~STEPREC_RENUMBERED,
                     STEPREC_PARTIAL | STEPREC_HOST_PACED);
    assert_true(r->confidence > 0 && r->confidence <= 100);
    assert_int_equal(r->wait_us, 0);
    snprintf(one, sizeof one, "%sr%u %u%s@%u+%u", n_got ? " " : "", rank, r->step,
             r->flags & STEPREC_RENUMBERED ? "*" : "", (unsigned)(r->t_end_ns / MS),
             r->wall_us / 1000);
    if (n_got++ < 64)
        strcat(got, one);
}

static struct steplog *begin(const char *pattern)
{
    struct steplog *l = NULL;
    struct err e;
    const struct steplog_config c = {.pattern = pattern,
                                     .first_rank = 4,
                                     .n_ranks = 2,
                                     .now_ns = on_now,
                                     .step = on_step};
    got[0] = '\0';
    n_got = 0;
    clock_ns = clock_step_ns = 0;
    if (steplog_create(&c, &l, &e) < 0)
        fail_msg("%s", e.text);
    return l;
}

/* ---- */

struct piece {
    unsigned rank, stream, ms;
    const char *data; /* "": bytes were missed */
};
static const struct row {
    const char *what;
    struct piece in[10];
    const char *want;
} rows[] = {
    {"from line to line",
     {{4, 0, 100, "step 1\n"}, {4, 0, 200, "step 2\n"}, {4, 0, 350, "step 3\n"}},
     "r4 2@200+100 r4 3@350+150"},
    {"other lines say nothing",
     {{4, 0, 100, "x\nstep 1 y\nz\n"}, {4, 0, 150, "no\n"}, {4, 1, 200, "step 2\n"}},
     "r4 2@200+100"},
    {"a line in pieces ends it where it ends",
     {{4, 0, 100, "step 1\nst"},
      {4, 0, 150, "ep"},
      {4, 0, 200, " 2"},
      {4, 0, 300, "\n"}},
     "r4 2@300+200"},
    {"streams are not mixed",
     {{4, 0, 100, "step 1\n"},
      {4, 0, 110, "ste"},
      {4, 1, 120, "p 7\n"},
      {4, 0, 200, "p 2\n"}},
     "r4 2@200+100"},
    {"nor ranks",
     {{4, 0, 100, "step 1\n"},
      {5, 0, 150, "step 1\n"},
      {4, 0, 200, "step 2\n"},
      {5, 0, 270, "step 2\n"}},
     "r4 2@200+100 r5 2@270+120"},
    {"a line every ten steps: each gets the mean",
     {{4, 0, 100, "step 0\n"}, {4, 0, 500, "step 4\n"}},
     "r4 1@200+100 r4 2@300+100 r4 3@400+100 r4 4@500+100"},
    {"several lines in one reading: likewise",
     {{4, 0, 100, "step 1\n"}, {4, 0, 400, "step 2\nstep 3\nstep 4\n"}},
     "r4 2@200+100 r4 3@300+100 r4 4@400+100"},
    {"several in the first reading: nothing is known of them",
     {{4, 0, 100, "step 1\nstep 2\nstep 3\n"}, {4, 0, 150, "step 4\n"}},
     "r4 4@150+50"},
    {"the same number again is no step",
     {{4, 0, 100, "step 1 loss\n"},
      {4, 0, 150, "step 1 accuracy\n"},
      {4, 0, 300, "step 2 loss\nstep 2 accuracy\n"}},
     "r4 2@300+200"},
    {"numbers that fall are counted on",
     {{4, 0, 100, "step 8\n"},
      {4, 0, 200, "step 9\n"},
      {4, 0, 300, "step 5\n"},
      {4, 0, 400, "step 6\n"}},
     "r4 9@200+100 r4 11*@400+100"},
    {"within one reading too",
     {{4, 0, 100, "step 8\n"},
      {4, 0, 200, "step 9\nstep 5\nstep 6\n"},
      {4, 0, 300, "step 7\n"}},
     "r4 9*@200+100 r4 12*@300+100"},
    {"epoch by epoch, also before any step is known",
     {{4, 0, 100, "step 1\nstep 2\nstep 1\n"},
      {4, 0, 200, "step 2\n"},
      {4, 0, 300, "step 1\n"},
      {4, 0, 400, "step 2\n"}},
     "r4 4*@200+100 r4 6*@400+100"},
    {"lines some steps apart: over the fall too",
     {{4, 0, 100, "step 0\n"},
      {4, 0, 200, "step 2\n"},
      {4, 0, 300, "step 4\n"},
      {4, 0, 400, "step 0\n"},
      {4, 0, 600, "step 2\n"}},
     "r4 1@150+50 r4 2@200+50 r4 3@250+50 r4 4@300+50 r4 7*@500+100 r4 8*@600+100"},
    {"a hole in the numbers widens nothing",
     {{4, 0, 100, "step 1\nstep 2\n"},
      {4, 0, 400, "step 5\n"},
      {4, 0, 500, "step 1\n"},
      {4, 0, 600, "step 2\n"}},
     "r4 3@200+100 r4 4@300+100 r4 5@400+100 r4 7*@600+100"},
    {"a stream that lags behind the other has not fallen",
     {{4, 0, 100, "step 1\n"},
      {4, 0, 200, "step 2\n"},
      {4, 1, 200, "step 1\nstep 2\n"},
      {4, 0, 300, "step 3\n"},
      {4, 1, 310, "step 3\n"}},
     "r4 2@200+100 r4 3@300+100"},
    {"nor has it fallen twice, where both do",
     {{4, 0, 100, "step 1\nstep 2\n"},
      {4, 1, 100, "step 1\n"},
      {4, 0, 200, "step 1\n"},
      {4, 1, 210, "step 2\nstep 1\n"},
      {4, 0, 300, "step 2\n"},
      {4, 1, 310, "step 2\n"},
      {4, 0, 400, "step 3\n"}},
     "r4 4*@300+100 r4 5*@400+100"},
    {"small numbers in the other stream say nothing",
     {{4, 0, 100, "step 101\n"},
      {4, 1, 120, "step 1\n"},
      {4, 1, 130, "step 2\n"},
      {4, 1, 140, "step 1\n"},
      {4, 0, 200, "step 102\n"}},
     "r4 102@200+100"},
    {"far ahead is another beginning",
     {{4, 0, 100, "step 1\n"}, {4, 0, 200, "step 1002\n"}, {4, 0, 250, "step 1003\n"}},
     "r4 1003@250+50"},
    {"no time has passed",
     {{4, 0, 100, "step 1\n"},
      {4, 0, 100, "step 2\n"},
      {4, 0, 90, "step 3\n"},
      {4, 0, 190, "step 4\n"}},
     "r4 4@190+100"},
    {"a progress bar",
     {{4, 1, 100, "\rstep 1 "}, {4, 1, 200, "\rstep 2 "}, {4, 1, 300, "\rstep 3 "}},
     "r4 2@300+100"},
    {"bytes that were missed end no line",
     {{4, 0, 100, "step 1\nstep "}, {4, 0, 150, ""}, {4, 0, 200, "9\nstep 2\n"}},
     "r4 2@200+100"},
    {"nor is what follows them the beginning of one",
     {{4, 0, 100, "step 1\n"}, {4, 0, 150, ""}, {4, 0, 200, "step 7\nstep 2\n"}},
     "r4 2@200+100"},
    {"no rank of this node", {{3, 0, 100, "step 1\n"}, {6, 0, 200, "step 2\n"}}, ""},
    {"the last numbers there are",
     {{4, 0, 100, "step 4294967294\n"},
      {4, 0, 200, "step 4294967295\n"},
      {4, 0, 300, "step 4294967296\n"}},
     "r4 4294967295@200+100"},
    {"counted on beyond them is counted anew",
     {{4, 0, 100, "step 4294967295\n"},
      {4, 0, 200, "step 1\n"},
      {4, 0, 300, "step 2\n"},
      {4, 0, 400, "step 1\n"},
      {4, 0, 500, "step 2\n"}},
     "r4 2*@300+100 r4 4*@500+100"},
    {"and where they come there by rising",
     {{4, 0, 100, "step 3000000000\n"},
      {4, 0, 200, "step 1\n"},
      {4, 0, 300, "step 2\n"},
      {4, 0, 400, "step 1294967296\n"},
      {4, 0, 500, "step 1294967297\n"}},
     "r4 3000000002*@300+100 r4 1294967297*@500+100"},
};

static void test_steps_from_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct steplog *l = begin("^step ([0-9]+)");
        for (const struct piece *p = rows[i].in; p->data; p++)
            steplog_add(l, p->rank, p->stream, p->data, strlen(p->data), p->ms * MS);
        if (strcmp(got, rows[i].want))
            fail_msg("%s: \"%s\", not \"%s\"", rows[i].what, got, rows[i].want);
        assert_int_equal(steplog_skipped(l), 0);
        steplog_destroy(l);
    }
}

static void test_of_a_long_line_the_beginning_counts(void **state)
{
    struct steplog *l = begin("step ([0-9]+)");
    char text[3 * STEPLOG_LINE];
    (void)state;
    for (unsigned at = 0; at < 2 * STEPLOG_LINE; at += STEPLOG_LINE - 7) {
        /* "step 1" ends just within what is looked at, then it does not */
        memset(text, 'x', sizeof text);
        memcpy(text + at, "step 1", 6);
        text[sizeof text - 1] = '\n';
        steplog_add(l, 4, 0, text, sizeof text, 100 * MS);
        steplog_add(l, 4, 0, "step 2\n", 7, 200 * MS);
        assert_int_equal(n_got, at <= STEPLOG_LINE - 7);
        n_got = 0;
        steplog_destroy(l);
        l = begin("step ([0-9]+)");
    }
    steplog_add(l, 4, 0, "step\0 1\n", 8, 100 * MS); /* a NUL hides nothing */
    steplog_add(l, 4, 0, "\0step 1\n\0\0step 2\n", 17, 200 * MS);
    steplog_add(l, 4, 0, "step 3\n", 7, 300 * MS);
    assert_string_equal(got, "r4 3@300+100");
    steplog_destroy(l);
}

/* Matching that takes its time is done as often as it may be. */
static void test_lines_beyond_the_budget_are_skipped(void **state)
{
    static const struct {
        uint64_t each_ms, pause_ms; /* of a match; between two lines */
        unsigned least, most;       /* skipped of 1000 */
    } cases[] = {
        {0, 1, 0, 0},     {1, 20, 0, 0},       {1, 19, 0, 50},
        {1, 0, 850, 960}, {40, 100, 800, 900},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct steplog *l = begin("step ([0-9]+)");
        for (unsigned k = 0; k < 1000; k++) {
            char line[32];
            snprintf(line, sizeof line, "step %u\n", k);
            clock_step_ns = cases[i].each_ms * MS;
            steplog_add(l, 5, 0, line, strlen(line), (k + 1) * 100 * MS);
            clock_ns += cases[i].pause_ms * MS;
        }
        uint64_t skipped = steplog_skipped(l);
        if (skipped < cases[i].least || skipped > cases[i].most)
            fail_msg("case %zu: %u skipped", i, (unsigned)skipped);
        assert_true(n_got > 0); /* ranges get wider, and no step is lost */
        assert_true(n_got >= 1000 - 100);
        steplog_destroy(l);
    }
}

static char filled[256];

static void on_fill(void *arg, uint32_t rank, uint64_t from_ns, uint64_t to_ns,
                    uint32_t n, struct steprec *r)
{
    (void)arg;
    size_t len = strlen(filled);
    (void)snprintf(filled + len, sizeof filled - len, "%sr%u %u in %u-%u",
                   len ? " " : "", rank, n, (unsigned)(from_ns / MS),
                   (unsigned)(to_ns / MS));
    assert_int_equal(r->wall_us, (to_ns - from_ns) / n / 1000);
    r->cpu_us = n;
}
static void on_filled(void *arg, uint32_t rank, const struct steprec *r)
{
    (void)arg;
    (void)rank;
    n_got += r->cpu_us;
}

/* Once for all steps between two readings, and all of them have it. */
static void test_the_host_is_asked_for_all_steps_of_a_reading(void **state)
{
    (void)state;
    struct steplog *l;
    struct err e;
    const struct steplog_config c = {.pattern = "step ([0-9]+)",
                                     .first_rank = 4,
                                     .n_ranks = 2,
                                     .now_ns = on_now,
                                     .step = on_filled,
                                     .fill = on_fill};
    n_got = 0;
    clock_ns = clock_step_ns = 0;
    filled[0] = '\0';
    assert_int_equal(steplog_create(&c, &l, &e), 0);
    steplog_add(l, 5, 0, "step 1\n", 7, 100 * MS);
    steplog_add(l, 5, 0, "step 2\n", 7, 200 * MS);
    steplog_add(l, 5, 0, "step 6\n", 7, 600 * MS);
    steplog_add(l, 5, 0, "step 5000\n", 10, 700 * MS); /* another beginning */
    assert_string_equal(filled, "r5 1 in 100-200 r5 4 in 200-600");
    assert_int_equal(n_got, 1 + 4 * 4);
    steplog_destroy(l);
}

static void test_a_bad_pattern_is_said(void **state)
{
    struct steplog *l = NULL;
    struct err e;
    const struct steplog_config c = {.pattern = "step", .now_ns = on_now};
    (void)state;
    assert_int_equal(steplog_create(&c, &l, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, "has no group"));
    assert_null(l);
    steplog_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps_from_lines),
        cmocka_unit_test(test_of_a_long_line_the_beginning_counts),
        cmocka_unit_test(test_lines_beyond_the_budget_are_skipped),
        cmocka_unit_test(test_the_host_is_asked_for_all_steps_of_a_reading),
        cmocka_unit_test(test_a_bad_pattern_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
