/* SPDX-License-Identifier: MIT */
/* The page and the JSON of compare, against golden files; and when it warns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "launcher/tax/comparison.h"
#include "tests/lib/golden.h"
#include "tests/lib/tax_sim.h"

#define RUNS 3

struct arm {
    double level, spread;           /* step time against 20 ms; between runs */
    double preempted, memory, work; /* lost to it, us a step */
    uint32_t ranks;
};

static struct compare_run runs[2][RUNS];
static struct view_rank ranks[2][RUNS][8];
static struct view_node nodes[4];
static struct series series[2][RUNS];

static void make_run(struct random *r, const struct arm *arm, int k, int i)
{
    static char *const ids[2][RUNS] = {{"a1", "a2", "a3"}, {"b1", "b2", "b3"}};
    static char *const paths[2][RUNS] = {{"runs/a1", "runs/a2", "runs/a3"},
                                         {"runs/b1", "runs/b2", "runs/b3"}};
    struct sim s = {.steps = 600, .noise = .02};
    struct tax_run t;
    sim_run(&s, r, .6, arm->level * (1 + arm->spread * (i - 1)), &t, &series[k][i]);
    runs[k][i] =
        (struct compare_run){.path = paths[k][i], .command = "train --steps 600"};
    struct report_view *v = &runs[k][i].view;
    *v = (struct report_view){.run_id = ids[k][i],
                              .name = "train",
                              .version = "0.1.0",
                              .attempts = 1,
                              .nodes = nodes,
                              .n_nodes = 4,
                              .ranks = ranks[k][i],
                              .n_ranks = arm->ranks,
                              .has_steps = true,
                              .series = &series[k][i],
                              .culprit = -1};
    v->job.closed = 600;
    v->job.t_sum = (uint64_t)(t.mean_us * 600);
    v->job.p50 = (uint64_t)t.median_us;
    v->cost = (struct cost){.devices = arm->ranks, .currency = "USD"};
    v->variance = (struct view_variance){.known = true, .steps = 600};
    v->variance.t_us = t.mean_us * 600;
    v->variance.loss_us[MECH_PREEMPTED] = 600 * arm->preempted;
    v->variance.loss_us[MECH_WORK] = 600 * arm->work;
    v->variance.common_us[MECH_MEMORY] = 600 * arm->memory;
    v->variance.outside_us = 600 * (arm->preempted + arm->memory);
    v->variance.small_us = 600 * 210.0;
    v->variance.not_measured = 1u << MECH_LINK | 1u << MECH_STOLEN;
    for (uint32_t n = 0; n < arm->ranks; n++) {
        ranks[k][i][n] = (struct view_rank){.rank = n};
        ranks[k][i][n].steps.wall_sum = 12000000;
        ranks[k][i][n].steps.wait_sum = 2400000;
    }
}

static void make(const struct arm *a, const struct arm *b)
{
    struct random r;
    random_init(&r, 11);
    for (int i = 0; i < RUNS; i++) {
        make_run(&r, a, 0, i);
        make_run(&r, b, 1, i);
    }
}

static const struct arm metal = {1, .01, 40, 0, 100, 8},
                        slow = {1.2, .012, 2300, 900, 90, 8},
                        alike = {1.001, .008, 60, 0, 100, 8},
                        near_by = {1.03, .001, 240, 400, 110, 8},
                        quick = {.8, .01, 40, 0, 100, 8},
                        nearer = {1.05, .001, 240, 400, 110, 8},
                        other = {1.4, .2, 0, 0, 0, 4};

#define ASK(d, pa, pb, ratio, share, in_pairs, a, b)                            \
    {                                                                           \
        .days = d, .price = {pa, pb}, .price_ratio = ratio, .gpu_share = share, \
        .paired = in_pairs, .label = {                                          \
            a,                                                                  \
            b                                                                   \
        }                                                                       \
    }
#define NOT_ASKED ASK(NAN, NAN, NAN, NAN, NAN, false, "A", "B")

static void test_pages(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const struct arm *a, *b;
        size_t n;
        struct compare_ask ask;
        enum verdict_kind verdict;
        bool fine;
    } cases[] = {
        {"tax", &metal, &slow, 3, ASK(30, 2.4, 1.99, NAN, .8, false, "metal", "vm"),
         VERDICT_MAYBE, false},
        {"matters", &metal, &slow, 3, NOT_ASKED, VERDICT_MATTERS, false},
        {"none", &metal, &alike, 3, NOT_ASKED, VERDICT_NONE, true},
        /* The job file gives one price for both: no threshold of 0 comes of it. */
        {"equal", &metal, &alike, 3, ASK(30, 2.5, 2.5, NAN, NAN, false, "A", "B"),
         VERDICT_NONE, true},
        {"small", &near_by, &nearer, 3, ASK(2, NAN, NAN, 1.25, NAN, false, "A", "B"),
         VERDICT_SMALL, true},
        {"short", &metal, &slow, 3, ASK(1, NAN, NAN, NAN, NAN, true, "metal", "vm"),
         VERDICT_MATTERS, false},
        {"faster", &metal, &quick, 3, ASK(NAN, NAN, NAN, .7, NAN, false, "A", "B"),
         VERDICT_FASTER, false},
        {"one", &metal, &slow, 1, NOT_ASKED, VERDICT_UNKNOWN, false},
        {"unlike", &metal, &other, 3, NOT_ASKED, VERDICT_UNSURE, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct comparison c;
        struct buf page, json;
        struct err e;
        buf_init(&page, 1 << 20);
        buf_init(&json, 1 << 20);
        make(cases[i].a, cases[i].b);
        if (comparison_make(runs[0], cases[i].n, runs[1], cases[i].n, &cases[i].ask, &c,
                            &e))
            fail_msg("%s: %s", cases[i].name, e.text);
        if (c.decision.verdict != cases[i].verdict ||
            c.decision.b_is_fine != cases[i].fine)
            fail_msg("%s: verdict %s, fine %d", cases[i].name,
                     verdict_kind_name(c.decision.verdict), c.decision.b_is_fine);
        assert_int_equal(comparison_page(&c, &page) | comparison_json(&c, &json), 0);
        golden_check("compare", cases[i].name, "txt", &page);
        golden_check("compare", cases[i].name, "json", &json);
        golden_check_width((const char *)page.data);
        buf_fini(&page);
        buf_fini(&json);
    }
}

/* ---- what speaks against a comparison */

static void another_program(struct report_view *v)
{
    (void)v;
    runs[1][2].command = "train --steps 600 --hidden 4096";
}
static void another_version(struct report_view *v)
{
    v->version = "0.2.0";
}
static void fewer_ranks(struct report_view *v)
{
    v->n_ranks = 4;
}
static void fewer_nodes(struct report_view *v)
{
    v->n_nodes = 2;
}
static void many_steps(struct report_view *v)
{
    v->job.closed = 1300;
}
static void some_more_steps(struct report_view *v)
{
    v->job.closed = 1100;
}
static void failed(struct report_view *v)
{
    v->exit_status = 3;
}
static void again(struct report_view *v)
{
    v->attempts = 2;
}
static void other_gpus(struct report_view *v)
{
    v->cost.devices = 16;
}
static void same_run(struct report_view *v)
{
    v->run_id = "a1";
}
static void cut_letter(struct report_view *v)
{
    v->version = "00123456789012345678901234567890123456789012345678901234567\xc3\xa4"
                 "\xc3\xa4\xc3\xa4";
}

static void test_what_may_not_be_compared(void **state)
{
    (void)state;
    static const struct {
        void (*change)(struct report_view *v);
        const char *want; /* NULL: nothing to warn of */
    } cases[] = {
        {another_program, "program and arguments: \"train --steps 600\" (A) against "
                          "\"train --steps 600 --hidden 4096\" (B)"},
        {another_version, "version of aolani-run: \"0.1.0\" (A) against \"0.2.0\" (B)"},
        {fewer_ranks, "ranks: 8 (A) against 4 (B)"},
        {fewer_nodes, "nodes: 4 (A) against 2 (B)"},
        {many_steps, "steps of a run: from 600 to 1300"},
        {some_more_steps, NULL},
        {failed, "1 of 6 runs did not end with status 0"},
        {again, "1 of 6 runs needed more than one attempt"},
        {other_gpus, "GPUs: 8 (A) against 16 (B)"},
        {same_run, "\"runs/a1\" and \"runs/b3\" are the same run"},
        {cut_letter, "01234567?"},
    };
    struct compare_ask ask = NOT_ASKED;
    struct comparison c;
    struct err e;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        make(&metal, &slow);
        cases[i].change(&runs[1][2].view);
        assert_int_equal(comparison_make(runs[0], 3, runs[1], 3, &ask, &c, &e), 0);
        bool good = cases[i].want
                        ? c.n_warnings == 1 && strstr(c.warnings[0], cases[i].want)
                        : c.n_warnings == 0;
        if (!good)
            fail_msg("change %zu: %zu warnings: %s", i, c.n_warnings, c.warnings[0]);
    }
}

/* ---- runs that were edited, or are somebody else's */

static void no_steps(struct report_view *v)
{
    v->has_steps = false;
}
static void none_closed(struct report_view *v)
{
    v->job.closed = 0;
}
static void no_time(struct report_view *v)
{
    v->job.t_sum = 0;
}
static void endless(struct report_view *v)
{
    v->job.t_sum = UINT64_MAX;
    v->job.closed = 1;
}

static void test_runs_that_are_none(void **state)
{
    (void)state;
    static void (*const changes[])(struct report_view *) = {no_steps, none_closed,
                                                            no_time, endless};
    struct compare_ask ask = NOT_ASKED;
    struct comparison c;
    struct err e;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        make(&metal, &slow);
        changes[i](&runs[1][1].view);
        if (comparison_make(runs[0], 3, runs[1], 3, &ask, &c, &e) != ERR_PARSE)
            fail_msg("bad run %zu was taken", i);
    }
}

/* Figures that no run has, and that must neither crash nor print a number of them. */
static void test_figures_that_are_none(void **state)
{
    (void)state;
    struct compare_ask ask = NOT_ASKED;
    struct comparison c;
    struct buf page, json;
    struct err e;
    make(&metal, &slow);
    for (int i = 0; i < RUNS; i++) {
        struct report_view *v = &runs[1][i].view;
        v->job.t_sum = (uint64_t)1e17;
        v->job.p50 = 0;
        v->variance.loss_us[MECH_WORK] = 1e18;
        v->variance.common_us[MECH_WORK] = NAN;
        v->variance.small_us = -1;
        v->variance.outside_us = 1e18;
        v->ranks[0].steps.wait_sum = UINT64_MAX - 1;
        v->cost.device_hour = 1e18;
        v->cost.devices = UINT32_MAX;
    }
    assert_int_equal(comparison_make(runs[0], 3, runs[1], 3, &ask, &c, &e), 0);
    assert_true(isnan(c.side[1].waiting) && isnan(c.side[1].taken));
    buf_init(&page, 1 << 20);
    buf_init(&json, 1 << 20);
    assert_int_equal(comparison_page(&c, &page) | comparison_json(&c, &json), 0);
    assert_null(strstr((const char *)page.data, "nan"));
    assert_null(strstr((const char *)json.data, "nan"));
    golden_check_width((const char *)page.data);
    buf_fini(&page);
    buf_fini(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_what_may_not_be_compared),
        cmocka_unit_test(test_runs_that_are_none),
        cmocka_unit_test(test_figures_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
