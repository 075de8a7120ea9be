/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/driftlines.h"

enum { RANKS = 100000 };
static const char *nodes[RANKS];

struct said {
    char text[8192];
    unsigned n;
};

static void on_line(void *arg, bool is_warning, const char *text)
{
    struct said *s = arg;
    size_t n = strlen(s->text);
    s->n++;
    (void)snprintf(s->text + n, sizeof s->text - n, "%s%s\n", is_warning ? "! " : "",
                   text);
}

static void add(struct driftlines *w, uint32_t rank, enum driftlines_change change,
                const char *what, uint64_t now)
{
    struct binding_drift d = {.what = (char *)what,
                              .text = (char *)"it may run on 0-7",
                              .from_ms = 2000,
                              .to_ms = change == DRIFT_BEGINS ? 0 : 5000,
                              .over = change != DRIFT_BEGINS};
    struct binding_news news = {.n = 1};
    news.list[0].drift = &d;
    news.list[0].begins = change == DRIFT_BEGINS;
    news.list[0].unverified = change == DRIFT_LOST ? "the helper died" : NULL;
    driftlines_add(w, rank, &news, 0, now);
}

static int setup(void **state)
{
    for (size_t i = 0; i < RANKS; i++)
        nodes[i] = "gpu001";
    *state = calloc(1, sizeof(struct driftlines));
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    driftlines_fini(*state);
    free(*state);
    return 0;
}

static void test_few_ranks_have_a_line_each(void **state)
{
    struct driftlines *w = *state;
    struct said s = {.n = 0};
    add(w, 3, DRIFT_BEGINS, "cpus", 100);
    add(w, 4, DRIFT_ENDS, "cpus", 200);
    add(w, 5, DRIFT_LOST, "gpu", 200);
    driftlines_say(w, nodes, 1099, false, on_line, &s);
    assert_int_equal(s.n, 0); /* others may follow */
    driftlines_say(w, nodes, 1100, false, on_line, &s);
    assert_string_equal(
        s.text, "! rank 3 on gpu001: it may run on 0-7 (drift since 2.0 s after the "
                "start)\n"
                "rank 4 on gpu001: no drift of its cores any more, after 3.0 s\n"
                "rank 5 on gpu001: its gpu cannot be verified any more, after drift of "
                "3.0 s: the helper died\n");
    driftlines_say(w, nodes, 9000, true, on_line, &s);
    assert_int_equal(s.n, 3);
}

static void test_many_ranks_share_one(void **state)
{
    struct driftlines *w = *state;
    struct said s = {.n = 0};
    for (uint32_t i = 0; i < RANKS; i++) {
        add(w, i, DRIFT_BEGINS, "cpus", 100);
        add(w, i, DRIFT_ENDS, "cgroup", 100);
        add(w, i, DRIFT_LOST, "gpu", 100);
    }
    driftlines_say(w, nodes, 200, true, on_line, &s);
    assert_string_equal(
        s.text,
        "! 100000 ranks (0-99999) drift since 2.0 s after the start, the first: rank 0 "
        "on gpu001: it may run on 0-7\n"
        "100000 ranks (0-99999): no drift of their cgroup any more\n"
        "100000 ranks (0-99999): their gpu cannot be verified any more, after drift, "
        "the first: the helper died\n");
}

/* A node that makes up a new kind each time costs no memory and no time. */
static void test_kinds_without_end(void **state)
{
    struct driftlines *w = *state;
    struct said s = {.n = 0};
    char what[33];
    for (unsigned i = 0; i < 1000000; i++) {
        (void)snprintf(what, sizeof what, "kind %u", i);
        add(w, i % RANKS, i % 2 ? DRIFT_BEGINS : DRIFT_ENDS, what, 100);
    }
    assert_int_equal(w->n, DRIFTLINES_KINDS);
    driftlines_say(w, nodes, 2000, false, on_line, &s);
    assert_int_equal(s.n, DRIFTLINES_KINDS + 1);
    assert_non_null(strstr(s.text, "! there is drift of more kinds"));
    for (unsigned i = 0; i < 100; i++) {
        add(w, i, DRIFT_BEGINS, "cpus", 3000);
        driftlines_say(w, nodes, 3000, true, on_line, &s);
    }
    assert_int_equal(s.n, DRIFTLINES_MOST + 1);
    assert_non_null(strstr(s.text, "! more drift is told in the report alone\n"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_few_ranks_have_a_line_each),
        TEST(test_many_ranks_share_one),
        TEST(test_kinds_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
