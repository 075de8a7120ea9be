/* SPDX-License-Identifier: MIT */
/* What the page and run.json say of where the time went, against golden files: run with
 * UPDATE_GOLDEN=1 to write them anew, then read the difference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/report.h"
#include "launcher/report_view.h"
#include "tests/lib/golden_report.h"

struct run {
    struct summary s;
    struct summary_node nodes[16];
    struct summary_rank ranks[64];
    char names[16][8];
    struct steps *steps;
    struct attribution a;
    struct hist excess;
    struct blame blames[8];
    struct spell spells[16];
    struct summary_spell said[16];
    struct series series;
    struct ledger ledger;
    struct signals *signals;
};

static const struct summary_phase phases[] = {
    {"connect", 1240}, {"prepare", 85}, {"start", 130},
    {"run", 12410},    {"stop", 0},     {"teardown", 160},
};

static struct run *run_of(size_t n_nodes, size_t per_node)
{
    struct run *r = calloc(1, sizeof *r);
    for (size_t i = 0; i < n_nodes; i++) {
        snprintf(r->names[i], sizeof r->names[i], "n%zu", i + 1);
        r->nodes[i] = (struct summary_node){.name = r->names[i],
                                            .hostname = r->names[i],
                                            .teardown = "clean",
                                            .detail = ""};
    }
    for (size_t i = 0; i < n_nodes * per_node; i++)
        r->ranks[i] = (struct summary_rank){.rank = (uint32_t)i,
                                            .node = (uint32_t)(i / per_node),
                                            .cpus = "",
                                            .end = "exit 0"};
    r->s = (struct summary){.run_id = "00112233445566aa",
                            .name = "train",
                            .dir = "/home/mo/runs/train-20261122T140501Z-0011",
                            .version = "0.1.0",
                            .started_utc = "2026-11-22T14:05:01Z",
                            .sentence = "all ranks ended with status 0",
                            .wall_ms = 14100,
                            .phases = phases,
                            .n_phases = sizeof phases / sizeof *phases,
                            .nodes = r->nodes,
                            .n_nodes = n_nodes,
                            .ranks = r->ranks,
                            .n_ranks = n_nodes * per_node,
                            .variance = &r->a,
                            .spells = r->said,
                            .series = &r->series,
                            .ledger = &r->ledger};
    series_init(&r->series);
    ledger_init(&r->ledger);
    assert_int_equal(hist_init(&r->excess, 7), 0);
    return r;
}

static void run_free(struct run *r)
{
    steps_destroy(r->steps);
    signals_destroy(r->signals);
    hist_fini(&r->excess);
    free(r);
}

/* n steps of 10 ms, all alike; the ledger's rows but for the straggler loss. */
static void run_steps(struct run *r, uint32_t n)
{
    uint32_t world = (uint32_t)r->s.n_ranks, x = 7;
    assert_int_equal(steps_create(world, 0, NULL, &r->steps), 0);
    r->s.steps = r->steps;
    for (uint32_t step = 1; step <= n; step++) {
        for (uint32_t k = 0; k < world; k++) {
            x = x * 1664525 + 1013904223;
            struct steprec rec = {
                .rank = k, .step = step, .wall_us = 10000, .wait_us = 2000};
            steps_add(r->steps, &rec, step);
            hist_add(&r->excess, (x >> 16) % 60);
        }
        series_add(&r->series, 10000);
    }
    steps_finish(r->steps);
    r->a.steps = n;
    r->a.t_us = n * 10000.0;
    r->a.excess = &r->excess;
    r->a.blames = r->blames;
    r->a.spells = r->spells;
    r->a.small_us = n * 40.0;
    for (int m = 0; m < MECH_N; m++)
        r->a.small_us += r->a.loss_us[m];
    r->ledger.us[LEDGER_PRODUCTIVE] = n * UINT64_C(10000);
    r->ledger.us[LEDGER_WARMUP] = 50000;
    ledger_close(&r->ledger, 1530, 12410, 160, 0);
}

/* Straggler loss of a rank by one mechanism, in that many of the steps. */
static void run_late(struct run *r, uint32_t rank, enum mechanism what, uint32_t first,
                     uint32_t last, double each_us)
{
    uint64_t steps = last - first + 1;
    double us = each_us * (double)steps;
    struct blame *b = &r->blames[r->a.n_blames++];
    *b = (struct blame){.rank = rank,
                        .what = what,
                        .steps = steps,
                        .first_step = first,
                        .last_step = last,
                        .loss_us = 0.9 * us,
                        .excess_us = us};
    r->a.loss_us[what] += b->loss_us;
    for (uint64_t i = 0; i < steps; i++)
        hist_add(&r->excess, (uint64_t)(each_us / 8000 * 10000));
    r->ledger.us[LEDGER_STRAGGLER] += (uint64_t)b->loss_us;
    r->ledger.us[LEDGER_PRODUCTIVE] -= (uint64_t)b->loss_us;
}

static void run_spell(struct run *r, uint32_t rank, enum mechanism what, uint32_t first,
                      uint32_t last, double each_us, const char *common)
{
    double us = each_us * (last - first + 1);
    struct spell *s = &r->spells[r->a.n_spells];
    *s = (struct spell){.rank = rank,
                        .first_step = first,
                        .last_step = last,
                        .over = true,
                        .percent = each_us / 80,
                        .steps = last - first + 1,
                        .excess_us = us,
                        .loss_us = 0.9 * us,
                        .what = what};
    if (what != MECH_MIXED) {
        s->part[what] = 0.96 * us;
        s->part[MECH_UNKNOWN] = 0.04 * us;
    }
    r->said[r->a.n_spells++].common = common;
    r->s.n_spells = r->a.n_spells;
}

/* A minute of each node; bits of what its kernel tells. */
static void run_signals(struct run *r, unsigned known)
{
    struct err e;
    assert_int_equal(signals_create((uint32_t)r->s.n_nodes, &r->signals), 0);
    for (uint32_t i = 0; i < r->s.n_nodes; i++) {
        Aolani__Probe probe = AOLANI__PROBE__INIT;
        Aolani__NodeSignals m = AOLANI__NODE_SIGNALS__INIT;
        probe.triad_mbytes = 12000;
        probe.exit_ns = 760;
        probe.fault_ns = 500;
        m.t_ns = UINT64_C(61000000000);
        m.interval_ns = UINT64_C(60000000000);
        m.known = known;
        m.cpus = 4;
        m.steal_us = 60000;
        m.interrupts = 4 * 60 * 400;
        m.softirqs = 4 * 60 * 100;
        m.probe = known ? &probe : NULL;
        assert_int_equal(signals_add(r->signals, i, &m, &e), 0);
    }
    r->s.signals = r->signals;
}

#define ALL_KNOWN                                                            \
    (AOLANI__NODE_SIGNALS__KNOWN__STEAL | AOLANI__NODE_SIGNALS__KNOWN__PSI | \
     AOLANI__NODE_SIGNALS__KNOWN__QUOTA | AOLANI__NODE_SIGNALS__KNOWN__INTERRUPTS)

static void run_price(struct run *r, bool ranks)
{
    r->s.cost = (struct cost){.devices = (uint32_t)r->s.n_ranks,
                              .ranks = ranks,
                              .device_hour = 2.5,
                              .currency = "USD"};
}

/* ---- the runs */

static struct run *run_quiet(void)
{
    struct run *r = run_of(2, 2);
    run_steps(r, 1200);
    run_signals(r, ALL_KNOWN);
    return r;
}

static struct run *run_hog(void)
{
    struct run *r = run_of(2, 2);
    run_steps(r, 1200);
    run_late(r, 2, MECH_PREEMPTED, 400, 812, 3100);
    run_spell(r, 2, MECH_PREEMPTED, 400, 812, 3100, "");
    r->a.outside_us = r->a.loss_us[MECH_PREEMPTED];
    run_signals(r, ALL_KNOWN);
    run_price(r, true);
    return r;
}

static struct run *run_factor(void)
{
    static const char common[] = "ranks 12, 44, 60: GPU and NIC on different sockets";
    struct run *r = run_of(16, 4);
    run_steps(r, 300);
    for (uint32_t k = 0; k < 3; k++) {
        static const uint32_t ranks[] = {12, 44, 60};
        run_late(r, ranks[k], MECH_GPU_SLOW, 81, 300, 200);
        run_spell(r, ranks[k], MECH_GPU_SLOW, 81 + k, 300, 480, common);
        r->spells[k].over = false;
    }
    run_signals(r, ALL_KNOWN);
    run_price(r, false);
    return r;
}

static struct run *run_unmeasured(void)
{
    struct run *r = run_of(1, 2);
    run_steps(r, 400);
    run_late(r, 1, MECH_UNKNOWN, 100, 300, 900);
    return r;
}

static struct run *run_dumb(void)
{
    struct run *r = run_of(1, 2);
    run_steps(r, 400);
    run_signals(r, 0);
    return r;
}

static struct run *run_mechanisms(void)
{
    struct run *r = run_of(2, 4);
    run_steps(r, 1000);
    run_late(r, 0, MECH_WORK, 10, 900, 700);
    run_late(r, 3, MECH_THROTTLED, 10, 200, 2000);
    run_late(r, 5, MECH_STOLEN, 100, 130, 5000);
    run_late(r, 6, MECH_LINK, 500, 510, 9000);
    run_late(r, 7, MECH_BLOCKED, 600, 600, 200000);
    run_late(r, 4, MECH_MIXED - 1, 10, 20, 9);
    run_spell(r, 3, MECH_THROTTLED, 10, 90, 2000, "");
    run_spell(r, 3, MECH_THROTTLED, 110, 150, 2000, "");
    run_spell(r, 3, MECH_THROTTLED, 160, 180, 2000, "");
    run_spell(r, 3, MECH_THROTTLED, 190, 200, 2000, "");
    r->a.common_us[MECH_NETWORK] = 400000;
    r->a.common_us[MECH_GPU] = 20000;
    r->a.more_spells = 2;
    r->a.outside_us = r->a.loss_us[MECH_STOLEN];
    run_signals(r, ALL_KNOWN);
    return r;
}

static struct run *run_hang(void)
{
    struct run *r = run_of(1, 2);
    run_steps(r, 400);
    r->ledger.us[LEDGER_CHECKPOINT] = 40000000;
    r->ledger.us[LEDGER_EVALUATION] = 9000000;
    r->ledger.us[LEDGER_HANG] = 95000000;
    r->ledger.us[LEDGER_ROLLED_BACK] = 2000000;
    static char rank1[] = "1", why[] =
                                   "rank 1 on n1 is stopped by a signal (state T) and "
                                   "is 3 steps behind; the other one sleeps";
    static const struct summary_stall stalls[] = {
        {.attempt = 2,
         .number = 1,
         .step = 211,
         .from_ms = 41000,
         .ms = 63210,
         .over = true,
         .ranks = rank1,
         .text = why},
        {.attempt = 2, .number = 2, .step = 399, .from_ms = 145000, .ms = 33000}};
    r->s.stalls = stalls;
    r->s.n_stalls = 2;
    r->ledger.hangs = 2;
    ledger_close(&r->ledger, 1455, 180000, 160, 61000);
    r->s.attempts = 2;
    r->s.wall_ms = 243000;
    r->s.queued_ms = 185000;
    run_price(r, false);
    return r;
}

static struct run *run_stepless(void)
{
    struct run *r = run_of(1, 2);
    ledger_close(&r->ledger, 1530, 12410, 160, 0);
    r->s.variance = NULL;
    r->s.series = NULL;
    run_price(r, true);
    r->s.cost.device_hour = 0;
    return r;
}

static struct run *run_lone(void)
{
    struct run *r = run_of(1, 1);
    run_steps(r, 400);
    run_late(r, 0, MECH_STOPPED, 350, 352, 120000);
    r->blames[0].loss_us = 0;
    r->a.loss_us[MECH_STOPPED] = 0;
    r->a.small_us = 0;
    run_price(r, true);
    return r;
}

static const struct {
    const char *name;
    struct run *(*make)(void);
} runs[] = {
    {"quiet", run_quiet},   {"hog", run_hog},
    {"factor", run_factor}, {"unmeasured", run_unmeasured},
    {"dumb", run_dumb},     {"mechanisms", run_mechanisms},
    {"hang", run_hang},     {"stepless", run_stepless},
    {"lone", run_lone},
};
#define N_RUNS (sizeof runs / sizeof *runs)

static void test_golden(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_RUNS; i++) {
        struct run *r = runs[i].make();
        golden_report(runs[i].name, &r->s);
        run_free(r);
    }
}

static void test_json_gives_the_same_page(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_RUNS; i++) {
        struct run *r = runs[i].make();
        golden_report_again(&r->s);
        run_free(r);
    }
}

/* ---- the first sentence */

static void expect_top(struct run *r, const char *want)
{
    struct buf page;
    buf_init(&page, 1u << 20);
    assert_int_equal(report_text(&r->s, &page), 0);
    char *top = (char *)page.data, *end = strstr(top, "\n  run 0011");
    char *from = strstr(top, " s\n");
    assert_non_null(end);
    assert_non_null(from);
    *end = '\0';
    for (char *c = from += 3; c < end && *c; c++)
        *c = *c == '\n' ? ' ' : *c;
    if (strcmp(from > end ? "" : from, want) != 0)
        fail_msg("\"%s\"\nis not\n\"%s\"", from, want);
    buf_fini(&page);
    run_free(r);
}

static void test_who_is_told_of(void **state)
{
    (void)state;
    struct run *r = run_quiet();
    expect_top(
        r, "nothing stands out: waiting for the slowest took 0.4 % of the step time");

    r = run_quiet(); /* 1.08 % of 12 s, by nobody who became slow */
    run_late(r, 3, MECH_FAULTS, 700, 847, 1000);
    expect_top(r, "rank 3 on n2 was 1.00 ms a step slower in steps 700 to 847 "
                  "(10 % of a usual step): page faults; it cost the job 133 ms");

    r = run_quiet(); /* 0.5 % */
    run_late(r, 3, MECH_FAULTS, 700, 769, 1000);
    expect_top(
        r, "nothing stands out: waiting for the slowest took 0.9 % of the step time");

    r = run_quiet(); /* the same, and it was seen to become slow */
    run_late(r, 3, MECH_FAULTS, 700, 779, 1000);
    run_spell(r, 3, MECH_FAULTS, 700, 779, 1000, "");
    r->spells[0].over = false;
    expect_top(r, "rank 3 on n2 was 1.00 ms a step slower from step 700 on (10 % of a "
                  "usual step): page faults; it cost the job 72 ms");

    r = run_quiet(); /* a spell that is a small part of what the rank is blamed for */
    run_late(r, 1, MECH_WORK, 1, 1000, 1000);
    run_spell(r, 1, MECH_WORK, 30, 40, 1000, "");
    expect_top(
        r, "rank 1 on n1 was 1.00 ms a step slower in steps 1 to 1000 "
           "(10 % of a usual step): own work or a slower core; it cost the job 900 ms");

    r = run_quiet(); /* all alike: none is worth a sentence, the loss is */
    for (uint32_t k = 0; k < 4; k++)
        run_late(r, k, MECH_PREEMPTED, 1 + k * 100, 100 + k * 100, 1000);
    expect_top(
        r, "no single rank stands out: a step waited 340 us for its slowest rank "
           "(3.4 % of the step time), mostly other processes on the cores (300 us); "
           "it cost the job 408 ms");

    r = run_quiet();
    r->a.small_us = 600000;
    expect_top(r,
               "no single rank stands out: a step waited 500 us for its slowest rank "
               "(5.0 % of the step time), mostly small differences between ranks "
               "(500 us); it cost the job 600 ms");

    r = run_quiet(); /* a rank was slow, and that is not where the time went */
    run_price(r, true);
    run_late(r, 3, MECH_WORK, 700, 739, 1000);
    run_spell(r, 3, MECH_WORK, 700, 739, 1000, "");
    r->a.loss_us[MECH_PREEMPTED] = 1200000;
    r->a.loss_us[MECH_BLOCKED] = 1000000;
    r->a.small_us = 300000;
    expect_top(r,
               "no single rank stands out: a step waited 2.11 ms for its slowest rank "
               "(21.1 % of the step time); the largest part: other processes on the "
               "cores (1.00 ms); it cost the job 2.5 s: 0.0028 rank hours, 0.0070 USD");

    r = run_quiet(); /* neither are two that share something */
    run_spell(r, 0, MECH_LINK, 10, 30, 1000, "ranks 0, 1: NIC n1/mlx5_0");
    run_spell(r, 1, MECH_LINK, 10, 30, 1000, "ranks 0, 1: NIC n1/mlx5_0");
    r->a.loss_us[MECH_NETWORK] = 1200000;
    expect_top(r,
               "no single rank stands out: a step waited 1.04 ms for its slowest rank "
               "(10.4 % of the step time), mostly the network (1.00 ms); it cost the "
               "job 1.2 s");

    r = run_quiet(); /* of its slow times not all were by the same */
    run_late(r, 3, MECH_PREEMPTED, 100, 199, 2000);
    run_late(r, 3, MECH_WORK, 300, 349, 2000);
    run_spell(r, 3, MECH_PREEMPTED, 100, 199, 2000, "");
    run_spell(r, 3, MECH_WORK, 300, 349, 2000, "");
    expect_top(
        r, "rank 3 on n2 was 2.00 ms a step slower in steps 100 to 199 and 300 to "
           "349 (20 % of a usual step): mostly other processes on its core (1.28 ms "
           "of it); it cost the job 270 ms");

    r = run_quiet();
    run_late(r, 3, MECH_PREEMPTED, 100, 399, 2000);
    run_spell(r, 3, MECH_MIXED, 100, 399, 2000, "");
    memset(r->spells[0].part, 0, sizeof r->spells[0].part);
    r->spells[0].part[MECH_PREEMPTED] = 0.45 * r->spells[0].excess_us;
    r->spells[0].part[MECH_WORK] = 0.4 * r->spells[0].excess_us;
    r->spells[0].part[MECH_FAULTS] = 0.15 * r->spells[0].excess_us;
    expect_top(r,
               "rank 3 on n2 was 2.00 ms a step slower in steps 100 to 399 (20 % of a "
               "usual step): several things at once, of it other processes on its core "
               "45 %, own work or a slower core 40 %; it cost the job 540 ms");

    r = run_quiet(); /* single late steps, by this and that: all of them are told */
    run_late(r, 3, MECH_FAULTS, 700, 847, 1000);
    run_late(r, 3, MECH_WORK, 100, 199, 1000);
    run_late(r, 3, MECH_STOLEN, 100, 199, 200);
    r->blames[2].steps = 0; /* never the larger part of a step */
    expect_top(r,
               "rank 3 on n2 was 1.08 ms a step slower in 248 of the steps 100 to 847 "
               "(11 % of a usual step): mostly page faults (597 us of it); it cost the "
               "job 241 ms");

    r = run_quiet(); /* never late, and yet the slowest each time */
    for (uint32_t step = 1201; step <= 2400; step++)
        for (uint32_t k = 0; k < 4; k++) {
            struct steprec rec = {.rank = k,
                                  .step = step,
                                  .wall_us = 10000,
                                  .wait_us = k == 1 ? 1000 : 2000};
            steps_add(r->steps, &rec, step);
        }
    r->a.small_us = 600000;
    expect_top(r, "rank 1 on n1 was waited for most (5.0 % of the step time): a step "
                  "waited 500 us for its slowest rank (5.0 % of the step time), mostly "
                  "small differences between ranks (500 us); it cost the job 600 ms");

    r = run_quiet();
    r->a.common_us[MECH_NETWORK] = 600000;
    expect_top(
        r, "all ranks together took 5.0 % of the step time longer than usual: the "
           "network; no rank held the others up: waiting for the slowest took 0.4 % of "
           "the step time");

    r = run_quiet(); /* two ranks that share something, and one that costs more */
    run_spell(r, 0, MECH_LINK, 10, 30, 1000, "ranks 0, 1: NIC n1/mlx5_0");
    run_spell(r, 1, MECH_LINK, 10, 30, 1000, "ranks 0, 1: NIC n1/mlx5_0");
    run_late(r, 3, MECH_WORK, 100, 300, 2000);
    expect_top(
        r, "rank 3 on n2 was 2.00 ms a step slower in steps 100 to 300 "
           "(20 % of a usual step): own work or a slower core; it cost the job 361 ms");

    r = run_quiet(); /* no text on the page is taken for a rank's or a format */
    run_spell(r, 77, MECH_LINK, 10, 30, 1000, "%s%n");
    expect_top(r, "rank 77 on ? was 1.00 ms a step slower in steps 10 to 30 (10 % of a "
                  "usual step): errors on a link; it cost the job 18 ms");
}

static void test_a_larger_job(void **state)
{
    (void)state;
    static const struct {
        struct run *(*make)(void);
        uint32_t ranks;
        const char *says;
    } cases[] = {
        {run_hog, 4,
         "with 4 ranks that are like these: straggler loss 10.0 % instead of "
         "10.0 %\n"},
        {run_hog, 64, "with 64 ranks that are like these: "},
        {run_hog, 64,
         "\n  (the slow ranks above, 9.6 % here, are taken to stay as they are, and "
         "only the "
         "rest to grow)\n"},
        {run_hog, 10000000,
         ", at least\n  (the data reach 5213 ranks: what is rarer was "
         "not seen)"},
        {run_stepless, 64, "with 64 ranks: unknown, no steps were compared\n"},
        {run_lone, 64, "with 64 ranks: unknown, one rank waits for nobody\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run *r = cases[i].make();
        struct buf json, page;
        struct err e;
        buf_init(&json, 1u << 20);
        buf_init(&page, 1u << 20);
        assert_int_equal(report_json(&r->s, &json), 0);
        assert_int_equal(report_text_from_json((const char *)json.data, json.len,
                                               cases[i].ranks, &page, &e),
                         0);
        if (!strstr((const char *)page.data, cases[i].says))
            fail_msg("no \"%s\" in\n%s", cases[i].says, (const char *)page.data);
        golden_check_width((const char *)page.data);
        buf_fini(&json);
        buf_fini(&page);
        run_free(r);
    }
}

/* ---- files that are not as they should be */

/* The JSON of a run with its first `from` replaced, and if `to` is NULL cut out up to the
 * next line. */
static char *edited(struct run *r, const char *from, const char *to)
{
    struct buf json;
    buf_init(&json, 1u << 20);
    assert_int_equal(report_json(&r->s, &json), 0);
    char *at = strstr((char *)json.data, from), *text = NULL;
    if (!at)
        fail_msg("no %s in\n%s", from, (char *)json.data);
    assert_true(asprintf(&text, "%.*s%s%s", (int)(at - (char *)json.data),
                         (char *)json.data, to, at + strlen(from)) > 0);
    buf_fini(&json);
    return text;
}

static void test_damaged_files_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *says;
    } cases[] = {
        {"\"variance\": {", "\"variance\": 5,\"x\": {",
         "\"variance\" is missing or not"},
        {"\"t_us\":12000000.0", "\"t_us\":-1",
         "\"t_us\" in \"variance\" is not a number"},
        {"\"t_us\":12000000.0", "\"t_us\":1e19", "\"t_us\" in \"variance\" is not a"},
        {"\"t_us\":12000000.0", "\"t_us\":null", "\"t_us\" in \"variance\" is not a"},
        {"\"t_us\":12000000.0", "\"t_us\":1e999", "line "},
        {"\"loss_us\":{", "\"loss_us\":3,\"y\":{", "\"loss_us\" in \"variance\""},
        {"\"preempted\":", "\"preempted\":\"x\",\"y\":",
         "\"preempted\" in \"loss_us\""},
        {"\"what\":\"preempted\"", "\"what\":\"magic\"",
         "\"what\" in \"blames\" is not a mechanism"},
        {"\"blames\":[{", "\"blames\":[5,{", "\"blames\" is missing or not an object"},
        {"\"blames\":[{", "\"blames\":{},\"y\":[{",
         "\"blames\" in \"variance\" is missing"},
        {"\"spells\":[{", "\"spells\":null,\"y\":[{", "\"spells\" in \"variance\""},
        {"\"over\":true", "\"over\":1", "\"over\" in \"spells\" is not true or false"},
        {"\"part_us\":{", "\"part_us\":[],\"y\":{", "\"part_us\" in \"spells\""},
        {"\"precision\":7", "\"precision\":9", "\"precision\" in \"excess\""},
        {"\"buckets\":[[0,", "\"buckets\":[[0,0],[0,", "\"buckets\" in \"excess\""},
        {"\"buckets\":[[0,", "\"buckets\":[[99999,1],[0,", "\"buckets\" in \"excess\""},
        {"\"buckets\":[[0,", "\"buckets\":[[0,1,2],[0,", "\"buckets\" in \"excess\""},
        {"\"count\":5213", "\"count\":5214", "\"count\" in \"excess\""},
        {"\"max\":3875", "\"max\":387500000000", "\"max\" in \"excess\""},
        {"\"per_block\":", "\"per_block\":0,\"y\":", "\"per_block\" in \"series\""},
        {"\"blocks\":[[", "\"blocks\":[[5],[", "\"blocks\" in \"series\""},
        {"\"blocks\":[[", "\"blocks\":[[4000000000,1],[", "\"blocks\" in \"series\""},
        {"\"rows\":{", "\"rows\":7,\"y\":{", "\"rows\" in \"ledger\""},
        {"\"productive\":", "\"productive\":-4,\"y\":", "\"productive\" in \"ledger\""},
        {"\"hangs\":0", "\"hangs\":0.5", "\"hangs\" in \"ledger\""},
        {"\"device\":\"rank\"", "\"device\":\"cow\"", "\"device\" in \"cost\""},
        {"\"device_hour\":2.5", "\"device_hour\":1e12", "\"device_hour\" in \"cost\""},
        {"\"currency\":\"USD\"", "\"currency\":\"a name that is long\"",
         "\"currency\" in \"cost\""},
        {"\"signals\": [", "\"signals\": [{},", "one for each node"},
        {"\"steal_share\":", "\"steal_share\":true,\"y\":",
         "\"steal_share\" in \"signals\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run *r = run_hog();
        struct buf out;
        struct err e = {0};
        char *json = edited(r, cases[i].from, cases[i].to);
        buf_init(&out, 1u << 20);
        if (report_text_from_json(json, strlen(json), 0, &out, &e) != ERR_PARSE ||
            !strstr(e.text, cases[i].says))
            fail_msg("%s: \"%s\" does not say \"%s\"", cases[i].to, e.text,
                     cases[i].says);
        buf_fini(&out);
        free(json);
        run_free(r);
    }
}

/* Absurd, and yet within what is taken: no page may be broken by it. */
static void test_absurd_files_do_no_harm(void **state)
{
    (void)state;
    static const char *const from[][2] = {
        {"\"t_us\":12000000.0", "\"t_us\":0"},
        {"\"t_us\":12000000.0", "\"t_us\":1e-300"},
        {"\"t_us\":12000000.0", "\"t_us\":1e18"},
        {"\"steps\":1200", "\"steps\":9223372036854775807"},
        {"\"percent\":38.75", "\"percent\":1e18"},
        {"\"excess_us\":", "\"excess_us\":1e18,\"y\":"},
        {"\"loss_us\":{",
         "\"loss_us\":{\"stolen\":1e18,\"network\":1e18,\"y\":1},\"y\":{"},
        {"\"rows\":{", "\"rows\":{\"productive\":9223372036854775807,"
                       "\"hang\":9223372036854775807},\"y\":{"},
        {"\"devices\":4", "\"devices\":4294967295"},
        {"\"currency\":\"USD\"", "\"currency\":\"\\u001b[31m\""},
        {"\"common\":\"\"", "\"common\":\"rank 1 \\u001b]0;x\\u0007 \\n%s%n\""},
    };
    for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
        struct run *r = run_hog();
        struct buf out;
        struct err e = {0};
        char *json = edited(r, from[i][0], from[i][1]);
        buf_init(&out, 1u << 20);
        if (report_text_from_json(json, strlen(json), 4096, &out, &e) < 0)
            fail_msg("%s: %s", from[i][1], e.text);
        assert_null(strstr((char *)out.data, "nan"));
        assert_null(strstr((char *)out.data, "inf"));
        assert_null(strstr((char *)out.data, " -0"));
        assert_null(strchr((char *)out.data, '\033'));
        golden_check_width((const char *)out.data);
        buf_fini(&out);
        free(json);
        run_free(r);
    }
}

static void test_older_files_still_print(void **state)
{
    (void)state;
    struct run *r = run_hog();
    struct buf out;
    struct err e = {0};
    char *json = edited(r, ",\n\"variance\": ", "}"), *end = strstr(json, "}{");
    assert_non_null(end);
    end[1] = '\0';
    buf_init(&out, 1u << 20);
    if (report_text_from_json(json, strlen(json), 0, &out, &e) < 0)
        fail_msg("%s", e.text);
    assert_non_null(strstr((char *)out.data, "\nTime\n  connect"));
    assert_non_null(strstr((char *)out.data, "  straggler loss: "));
    assert_null(strstr((char *)out.data, "Where the time went"));
    buf_fini(&out);
    free(json);
    run_free(r);
}

/* Whatever attribution says, the file that is written can be read. */
static void test_wild_figures_are_written_readably(void **state)
{
    (void)state;
    static const double wild[] = {-1e-9, NAN, INFINITY, -INFINITY, 1e300, -0.0};
    for (size_t i = 0; i < sizeof wild / sizeof *wild; i++) {
        struct run *r = run_hog();
        struct buf json, page;
        struct err e;
        r->a.t_us = r->a.small_us = r->a.outside_us = wild[i];
        r->a.loss_us[MECH_STOLEN] = r->a.common_us[MECH_GPU] = wild[i];
        r->spells[0].percent = r->spells[0].part[MECH_WORK] = wild[i];
        r->spells[0].excess_us = r->spells[0].loss_us = wild[i];
        r->blames[0].excess_us = r->blames[0].loss_us = wild[i];
        buf_init(&json, 1u << 20);
        buf_init(&page, 1u << 20);
        assert_int_equal(report_json(&r->s, &json), 0);
        if (report_text_from_json((const char *)json.data, json.len, 9, &page, &e) < 0)
            fail_msg("%g: %s", wild[i], e.text);
        assert_null(strstr((char *)page.data, "nan"));
        golden_check_width((const char *)page.data);
        buf_fini(&json);
        buf_fini(&page);
        run_free(r);
    }
}

static void test_what_is_read_is_what_was_written(void **state)
{
    (void)state;
    struct run *r = run_mechanisms();
    struct report_view a, b;
    struct buf json;
    struct err e;
    buf_init(&json, 1u << 20);
    assert_int_equal(view_from_summary(&a, &r->s), 0);
    assert_int_equal(view_to_json(&a, &json), 0);
    assert_int_equal(view_from_json(&b, (const char *)json.data, json.len, &e), 0);
    assert_memory_equal(a.variance.loss_us, b.variance.loss_us,
                        sizeof a.variance.loss_us);
    assert_memory_equal(a.variance.common_us, b.variance.common_us,
                        sizeof a.variance.common_us);
    assert_int_equal(a.variance.not_measured, b.variance.not_measured);
    assert_memory_equal(a.variance.blames, b.variance.blames,
                        a.variance.n_blames * sizeof *a.variance.blames);
    assert_int_equal(a.variance.n_spells, b.variance.n_spells);
    assert_memory_equal(a.variance.excess.counts, b.variance.excess.counts,
                        a.variance.excess.n_buckets * sizeof *a.variance.excess.counts);
    assert_int_equal(a.variance.excess.count, b.variance.excess.count);
    assert_int_equal(a.variance.excess.max, b.variance.excess.max);
    assert_int_equal(a.series->n, b.series->n);
    assert_memory_equal(a.series->blocks, b.series->blocks,
                        a.series->n * sizeof *a.series->blocks);
    assert_memory_equal(a.ledger.us, b.ledger.us, sizeof a.ledger.us);
    view_fini(&a);
    view_fini(&b);
    buf_fini(&json);
    run_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_json_gives_the_same_page),
        cmocka_unit_test(test_who_is_told_of),
        cmocka_unit_test(test_a_larger_job),
        cmocka_unit_test(test_damaged_files_are_refused),
        cmocka_unit_test(test_absurd_files_do_no_harm),
        cmocka_unit_test(test_older_files_still_print),
        cmocka_unit_test(test_wild_figures_are_written_readably),
        cmocka_unit_test(test_what_is_read_is_what_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
