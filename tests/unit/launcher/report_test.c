/* SPDX-License-Identifier: MIT */
/* Pages against golden files: run with UPDATE_GOLDEN=1 to write them anew, then read
 * the difference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/report.h"
#include "tests/lib/golden_report.h"

/* ---- runs */

struct run {
    struct summary s;
    struct summary_node nodes[64];
    struct summary_rank ranks[128];
    char names[64][32];
    struct steps *steps;
    struct signals *signals;
    struct binding *bindings[16];
};

static const struct summary_phase phases[] = {
    {"connect", 1240}, {"prepare", 85}, {"start", 130},
    {"run", 12410},    {"stop", 0},     {"teardown", 160},
};

static struct run *run_of(size_t n_nodes, size_t per_node)
{
    struct run *r = calloc(1, sizeof *r);
    for (size_t i = 0; i < n_nodes; i++) {
        snprintf(r->names[i], sizeof r->names[i], "gpu%02zu", i);
        r->nodes[i] = (struct summary_node){.name = r->names[i],
                                            .hostname = r->names[i],
                                            .teardown = "clean",
                                            .detail = "",
                                            .clock_offset_us = (int64_t)i * 700 - 500,
                                            .clock_error_us = 40 + i,
                                            .copied = i == 1};
    }
    for (size_t i = 0; i < n_nodes * per_node; i++)
        r->ranks[i] = (struct summary_rank){.rank = (uint32_t)i,
                                            .node = (uint32_t)(i / per_node),
                                            .cpus = "0-3",
                                            .end = "exit 0",
                                            .cpu_user_ms = 11000 + i,
                                            .cpu_sys_ms = 210,
                                            .max_rss_kib = 51200 + i * 7,
                                            .out_bytes = i == 0 ? 1536 : 0,
                                            .err_bytes = 0};
    r->s = (struct summary){.run_id = "00112233445566aa",
                            .name = "train",
                            .dir = "/home/mo/runs/train-20261122T140501Z-0011",
                            .version = "0.1.0",
                            .started_utc = "2026-11-22T14:05:01Z",
                            .sentence = "all ranks ended with status 0",
                            .wall_ms = 14200,
                            .phases = phases,
                            .n_phases = sizeof phases / sizeof *phases,
                            .nodes = r->nodes,
                            .n_nodes = n_nodes,
                            .ranks = r->ranks,
                            .n_ranks = n_nodes * per_node};
    return r;
}

static void run_free(struct run *r)
{
    signals_destroy(r->signals);
    steps_destroy(r->steps);
    for (size_t i = 0; i < sizeof r->bindings / sizeof *r->bindings; i++)
        binding_destroy(r->bindings[i]);
    free(r);
}

/* Steps of about 20 ms; rank `slow` is kept from its CPU for 6 ms in nearly every one. */
static void run_steps(struct run *r, uint32_t slow, uint32_t n)
{
    uint32_t world = (uint32_t)r->s.n_ranks, x = 7;
    assert_int_equal(steps_create(world, 20, NULL, &r->steps), 0);
    r->s.steps = r->steps;
    for (uint32_t step = 1; step <= n; step++) {
        uint32_t wall = 20400 + step % 7 * 150 + (step % 40 == 3 ? 9000 : 0);
        for (uint32_t k = 0; k < world; k++) {
            x = x * 1664525 + 1013904223;
            uint32_t noise = (x >> 16) % 400;
            uint32_t held = k == slow && step % 15 ? 6000 : 0;
            uint32_t busy = 12000 + noise + held;
            struct steprec rec = {.rank = k,
                                  .step = step,
                                  .wall_us = wall,
                                  .wait_us = wall - busy,
                                  .cpu_us = busy - held - 100,
                                  .rundelay_us = held + 60,
                                  .blocked_us = 40,
                                  .flags = step % 50 ? 0 : STEPREC_SPECIAL};
            steps_add(r->steps, &rec, step);
        }
    }
    steps_finish(r->steps);
}

static struct run *run_good(void)
{
    struct run *r = run_of(4, 2);
    run_steps(r, 3, 200);
    return r;
}

static struct run *run_balanced(void)
{
    struct run *r = run_of(1, 2);
    run_steps(r, 99, 100);
    r->nodes[0].copied = true;
    r->nodes[0].hostname =
        "a-host-with-a-much-longer-name-than-the-one-that-was-typed.example.org";
    return r;
}

static struct run *run_failed(void)
{
    static const char *const warnings[] = {
        "hyperthreads are shared by 2 ranks on gpu01",
        "the output of rank 2 has a gap of 4096 bytes at 1048576: node gpu01 had no "
        "room for "
        "more undelivered output, see [job] output in the manual",
        "odd bytes: \033[31m \xff \xc3\xa4",
    };
    static const struct summary_replaced replaced[] = {
        {"gpu07", "gpu02", "ssh: connect to gpu07: \033Connection refused",
         "not started", 2},
    };
    struct run *r = run_of(3, 2);
    r->s.replaced = replaced;
    r->s.n_replaced = 1;
    r->s.exit_status = 137;
    r->s.sentence =
        "rank 2 on gpu01 was killed by signal 9 (Killed) 8.1 s after the start; "
        "the other ranks were ended by aolani-run";
    r->s.warnings = warnings;
    r->s.n_warnings = 3;
    r->ranks[2].end = "signal 9 (Killed)";
    for (int i = 0; i < 6; i++) {
        r->ranks[i].end = i == 2 ? "signal 9 (Killed)" : "signal 15 (Terminated)";
        r->ranks[i].ended_by_us = i != 2;
    }
    r->ranks[4].end = r->ranks[5].end = "lost";
    r->nodes[1].teardown = "not clean";
    r->nodes[1].detail =
        "pid 4711 (python3) is in state D since 12 s and could not be killed; "
        "cgroup /user.slice/aolani-0011 still has 1 process";
    r->nodes[2].teardown = "lost";
    r->nodes[2].hostname = "";
    r->nodes[2].clock_error_us = 0;
    r->nodes[0].clock_offset_us = -86400000000; /* another boot: a day, to 62 us */
    r->nodes[0].clock_error_us = 62;
    r->nodes[1].clock_error_us = 2300;
    return r;
}

/* Of the first ranks nobody knows what they waited. */
static struct run *run_paced(uint32_t world, uint32_t paced)
{
    struct run *r = run_of(1, world);
    assert_int_equal(steps_create(world, 0, NULL, &r->steps), 0);
    r->s.steps = r->steps;
    for (uint32_t i = 0; i < 40 * world; i++) {
        bool known = i % world >= paced;
        struct steprec rec = {.rank = i % world,
                              .step = i / world,
                              .wall_us = 50000,
                              .wait_us = !known || i % world == 7 ? 0 : 8000,
                              .source = STEPREC_NCCL,
                              .flags = known ? STEPREC_DEEP : STEPREC_HOST_PACED};
        steps_add(r->steps, &rec, i);
    }
    steps_finish(r->steps);
    return r;
}

static struct run *run_one_paced(void)
{
    return run_paced(10, 1);
}

static struct run *run_all_paced(void)
{
    return run_paced(4, 4);
}

static struct run *run_many(void)
{
    struct run *r = run_of(40, 2);
    run_steps(r, 17, 120);
    r->nodes[8].teardown = "forced";
    r->nodes[8].detail = "1 process had to be killed";
    for (uint32_t k = 20; k < 28; k++)
        steps_dropped(r->steps, k, k * 3);
    return r;
}

static struct run *run_short(void)
{
    struct run *r = run_of(2, 1);
    run_steps(r, 1, 10); /* all warm-up */
    r->s.n_phases = 3;
    return r;
}

static struct run *run_rotated(void)
{
    static const struct summary_output outputs[] = {
        {.rank = 0,
         .bytes = UINT64_C(40) << 30,
         .first = 512 << 20,
         .last = (512 << 20) - 7},
        {.rank = 0,
         .is_err = true,
         .bytes = 10 << 20,
         .first = 10 << 20,
         .missing = {.n = 1, .r = {{65536, 131072, 65536, -ENOSPC}}}},
        {.rank = 1,
         .bytes = 1 << 20,
         .first = 1000,
         .last = 24000,
         .missing = {.n = 2, .r = {{9, 10, 1, 0}, {1040000, 1040900, 100, -EIO}}}},
    };
    struct run *r = run_of(1, 2);
    r->ranks[0].out_bytes = UINT64_C(40) << 30;
    r->ranks[0].out_kept = (1 << 30) - 7;
    r->s.rotate.size = 512 << 20;
    r->s.rotate.keep = 2;
    r->s.outputs = outputs;
    r->s.n_outputs = 3;
    return r;
}

/* All as asked, but that nothing can be said of memory, and one had no time to be seen. */
static struct run *run_bound(void)
{
    struct run *r = run_of(2, 2);
    for (size_t i = 0; i < 4; i++) {
        struct binding *b = r->bindings[i] = binding_create();
        assert_int_equal(binding_set(&b->cpus, i % 2 ? "4-7" : "0-3"), 0);
        assert_int_equal(binding_set(&b->numa, "0"), 0);
        assert_int_equal(binding_set(&b->nic, "mlx5_0"), 0);
        assert_int_equal(binding_add(&b->gpus, &b->n_gpus, "GPU-0a"), 0);
        r->ranks[i].binding = b;
        if (i == 3)
            break;
        b->read = true;
        assert_int_equal(binding_set(&b->applied, b->cpus), 0);
        assert_int_equal(binding_set(&b->seen_cpus, b->cpus), 0);
        assert_int_equal(binding_set(&b->cgroup_cpus, "0-7"), 0);
        assert_int_equal(binding_add(&b->seen_gpus, &b->n_seen_gpus, "GPU-0a"), 0);
        b->processes = 2;
        b->threads = 37;
        b->pages[0] = (struct binding_pages){0, 412};
        b->n_pages = 1;
        b->cgroup_memory = UINT64_C(64) << 30;
        assert_int_equal(binding_add_check(b, "cpus", "as asked", ""), 0);
        assert_int_equal(binding_add_check(b, "memory", "unverified", "one NUMA node"),
                         0);
        assert_int_equal(binding_add_check(b, "gpu", i ? "as asked" : "unverified",
                                           i ? "" : "it has no memory on a GPU"),
                         0);
        assert_int_equal(binding_add_check(b, "cgroup", "as asked", ""), 0);
    }
    return r;
}

static struct run *run_drift(void)
{
    struct binding_drift one = {.what = (char *)"cpus",
                                .text = (char *)"thread 4711 (python3) of pid 4700 may "
                                                "run on 0-7, asked 4-7 (and 3 more "
                                                "threads)",
                                .from_ms = 31000,
                                .to_ms = 61000,
                                .over = true},
                         all = {.what = (char *)"cgroup",
                                .text = (char *)"the cgroup allows 150 % of a CPU for "
                                                "the 8 CPUs of its ranks",
                                .from_ms = 1020};
    struct run *r = run_bound();
    struct binding *b = r->bindings[1];
    assert_int_equal(binding_add_drift(b, &one), 0);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(binding_add_drift(r->bindings[i], &all), 0);
        r->bindings[i]->cgroup_quota_percent = 150;
        assert_int_equal(binding_set(&r->bindings[i]->checks[3].state, "drift"), 0);
        assert_int_equal(binding_set(&r->bindings[i]->checks[3].text, all.text), 0);
    }
    r->bindings[2]->more_drifts = 3;
    assert_int_equal(binding_set(&r->bindings[2]->seen_cpus, "0-7"), 0);
    return r;
}

static void say_gpus(struct run *r, uint32_t node, const Aolani__GpuSignal *told,
                     size_t n)
{
    Aolani__NodeSignals m = AOLANI__NODE_SIGNALS__INIT;
    Aolani__GpuSignal *gpus[3];
    struct err e;
    for (size_t i = 0; i < n; i++)
        gpus[i] = (Aolani__GpuSignal *)&told[i];
    m.interval_ns = UINT64_C(600000000000);
    m.t_ns = 2 * m.interval_ns;
    m.gpus = gpus;
    m.n_gpus = n;
    if (signals_add(r->signals, node, &m, &e) < 0)
        fail_msg("%s", e.text);
}

/* One GPU that has nothing to say, one that was hot and has errors, one of an old driver that
 * knows no times, and kernels that told of errors. */
static struct run *run_gpus(void)
{
    static const struct gpufault faults[] = {
        {1, 79, 1, "0000:3b:00.0", "GPU has fallen off the bus.", "rank 2"},
        {1, 4242, 12, "0000:af:00.0", "pid=1, odd \033[31m", "not the job's"}};
    Aolani__GpuSignal none = AOLANI__GPU_SIGNAL__INIT, well, hot, old;
    struct run *r = run_bound();
    none.power_us = none.heat_us = none.brake_us = none.other_us = -1;
    none.sm_mhz = none.mem_mhz = none.sm_max_mhz = none.celsius = none.mem_celsius = -1;
    none.milliwatts = -1;
    none.pcie_replays = none.nvlink_errors = none.ecc_errors = none.ecc_corrected = -1;
    none.sync_us = none.board_us = none.reliability_us = none.remapped_rows = -1;
    none.energy_mj = none.reasons = -1;
    well = hot = old = none;
    well.uuid = "GPU-00000000-well";
    well.power_us = well.heat_us = well.ecc_errors = well.nvlink_errors = 0;
    well.energy_mj = 240000000;
    well.milliwatts = 690000;
    well.celsius = 61;
    well.mem_celsius = 74;
    well.sm_mhz = 1755;
    well.sm_max_mhz = 1980;
    hot = well;
    hot.uuid = "GPU-11111111-hot";
    hot.heat_us = 90000000;
    hot.power_us = 5000000; /* too little to be told */
    hot.celsius = 91;
    hot.sm_mhz = 1110;
    hot.remapped_rows = 1;
    hot.nvlink_errors = 1024;
    old.uuid = "GPU-22222222-old";
    old.reasons = 0x4 | 0x40 | 0x1;
    old.sm_mhz = 1200;
    assert_int_equal(signals_create((uint32_t)r->s.n_nodes, &r->signals), 0);
    say_gpus(r, 0, (Aolani__GpuSignal[]){well, hot}, 2);
    say_gpus(r, 1, &old, 1);
    assert_int_equal(
        binding_add(&r->bindings[1]->gpus, &r->bindings[1]->n_gpus, hot.uuid), 0);
    snprintf(r->nodes[0].net, sizeof r->nodes[0].net, "ib+gdr");
    snprintf(r->nodes[1].net, sizeof r->nodes[1].net, "ib+gdr, sockets");
    r->s.signals = r->signals;
    r->s.faults = faults;
    r->s.n_faults = 2;
    return r;
}

static struct run *run_unbound(void)
{
    struct run *r = run_of(1, 1);
    struct binding *b = r->bindings[0] = binding_create();
    b->read = true;
    assert_int_equal(binding_set(&b->applied, "0-63"), 0);
    assert_int_equal(binding_set(&b->seen_cpus, "0-63"), 0);
    r->ranks[0].binding = b;
    return r;
}

static const struct {
    const char *name;
    struct run *(*make)(void);
} runs[] = {
    {"good", run_good},   {"balanced", run_balanced},   {"failed", run_failed},
    {"many", run_many},   {"short", run_short},         {"rotated", run_rotated},
    {"bound", run_bound}, {"drift", run_drift},         {"unbound", run_unbound},
    {"gpus", run_gpus},   {"one-paced", run_one_paced}, {"all-paced", run_all_paced},
};
#define N_RUNS (sizeof runs / sizeof *runs)

/* ---- golden files */

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

static void expect_on_page(struct run *r, const char *text, bool there)
{
    struct buf page;
    buf_init(&page, 1u << 20);
    assert_int_equal(report_text(&r->s, &page), 0);
    if ((strstr((const char *)page.data, text) != NULL) != there)
        fail_msg("%s \"%s\" in\n%s", there ? "no" : "there is", text,
                 (const char *)page.data);
    buf_fini(&page);
}

static void test_what_ranks_waited_is_no_zero_where_it_is_unknown(void **state)
{
    (void)state;
    for (unsigned paced = 0; paced < 2; paced++) {
        struct run *r = run_of(2, 20); /* a table of nodes, too */
        assert_int_equal(steps_create(40, 0, NULL, &r->steps), 0);
        r->s.steps = r->steps;
        for (uint32_t i = 0; i < 400; i++) {
            struct steprec rec = {.rank = i % 40,
                                  .step = i / 40,
                                  .wall_us = 50000,
                                  .flags = paced ? STEPREC_HOST_PACED : 0};
            steps_add(r->steps, &rec, i);
        }
        steps_finish(r->steps);
        expect_on_page(r, "  0.0   0.0    0.0 %\n", !paced);
        expect_on_page(r, "  -        -     -        -\n", paced);
        expect_on_page(r, "  10 steps compared\n", !paced);
        expect_on_page(r, "  10 steps\n", paced);
        run_free(r);
    }
}

static void test_a_rank_that_never_ran_has_no_binding(void **state)
{
    (void)state;
    static const struct {
        const char *end;
        bool told;
    } table[] = {{"not started", false},
                 {"not executed: Permission denied", false},
                 {"exit 0", true},
                 {"signal 9 (Killed)", true}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct run *r = run_unbound();
        r->bindings[0]->read = false;
        r->ranks[0].end = table[i].end;
        expect_on_page(r, "ended before it was read back", table[i].told);
        expect_on_page(r, "\nBinding\n", table[i].told);
        run_free(r);
    }
}

static void test_drift_of_a_rank_that_is_not_bound_is_not_of_its_cores(void **state)
{
    (void)state;
    struct binding_drift d = {.what = (char *)"gpu",
                              .text = (char *)"pid 7 (x) has memory on it"};
    struct run *r = run_unbound();
    assert_int_equal(binding_add_drift(r->bindings[0], &d), 0);
    expect_on_page(r, "pid 7 (x) has memory on it", true);
    expect_on_page(r, "cores asked", false);
    run_free(r);
}

/* ---- files that are not as they should be */

static void expect_refused(const char *json, const char *says)
{
    struct buf out;
    struct err e = {0};
    buf_init(&out, 1u << 20);
    assert_int_equal(report_text_from_json(json, strlen(json), 0, &out, &e), ERR_PARSE);
    if (!strstr(e.text, says))
        fail_msg("\"%s\" does not say \"%s\"", e.text, says);
    assert_int_equal(out.len, 0);
    buf_fini(&out);
}

static void test_other_files_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *json, *says;
    } cases[] = {
        {"", "line 1: "},
        {"{\n\"schema\": 1,", "line 2: "},
        {"[]", "no \"schema\""},
        {"{}", "no \"schema\""},
        {"{\"schema\": 2}", "its schema is 2, this program reads 1"},
        {"{\"schema\": 1}", "\"run\" is missing"},
        {"{\"schema\": 1, \"run\": {}}", "\"id\" in \"run\" is missing"},
        {"{\"schema\": 1, \"run\": {\"id\": 5}}", "\"id\" in \"run\" is not a text"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refused(cases[i].json, cases[i].says);
}

/* One thing of a good file changed. */
static void test_damaged_files_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *says;
    } cases[] = {
        {"\"wall_ms\":14200", "\"wall_ms\":-1",
         "\"wall_ms\" in \"run\" is not a count"},
        {"\"wall_ms\":14200", "\"wall_ms\":1.5",
         "\"wall_ms\" in \"run\" is not a count"},
        {"\"copied\":false", "\"copied\":0",
         "\"copied\" in \"nodes\" is not true or false"},
        {"\"node\":0", "\"node\":99999999999", "\"node\" in \"ranks\" is not a count"},
        {"\"nodes\": [", "\"nodes\": 5,\n\"x\": [", "\"nodes\" is missing, not a list"},
        {"\"warnings\": [", "\"warnings\": [5", "not a text"},
        {"\"culprit_rank\":3", "\"culprit_rank\":\"3\"",
         "\"culprit_rank\" in \"steps\""},
        {"\"cv\":", "\"cw\":", "\"cv\" in \"steps of a rank\" is missing"},
        {",\"steps\":{\"n\"", ",\"stops\":{\"n\"", "\"steps of a rank\" is missing"},
    };
    struct run *r = run_good();
    struct buf json, bad;
    buf_init(&json, 1u << 20);
    assert_int_equal(report_json(&r->s, &json), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *text = (const char *)json.data, *at = strstr(text, cases[i].from);
        assert_non_null(at);
        buf_init(&bad, 1u << 20);
        assert_int_equal(buf_add(&bad, text, (size_t)(at - text)), 0);
        assert_int_equal(
            buf_printf(&bad, "%s%s", cases[i].to, at + strlen(cases[i].from)), 0);
        expect_refused((const char *)bad.data, cases[i].says);
        buf_fini(&bad);
    }
    buf_fini(&json);
    run_free(r);
}

static void test_damaged_bindings_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
    } cases[] = {
        {"\"binding\":{", "\"binding\":5,\"x\":{"},
        {"\"asked\":{", "\"asked\":null,\"x\":{"},
        {"\"gpus\":[\"GPU-0a\"]", "\"gpus\":[5]"},
        {"\"threads\":37", "\"threads\":-37"},
        {"\"applied\":{", "\"applied\":null,\"x\":{"},
        {"\"pages\":[{", "\"pages\":[7,{"},
        {"\"state\":\"as asked\"", "\"state\":1"},
        {"\"checks\":[", "\"checks\":0,\"x\":["},
        {"\"drift\":[", "\"drift\":[null,"},
        {"\"to_ms\":61000", "\"to_ms\":\"61\""},
        {"\"more_drift\":3", "\"more_drift\":-3"},
    };
    struct run *r = run_drift();
    struct buf json, bad;
    buf_init(&json, 1u << 20);
    assert_int_equal(report_json(&r->s, &json), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *text = (const char *)json.data, *at = strstr(text, cases[i].from);
        assert_non_null(at);
        buf_init(&bad, 1u << 20);
        assert_int_equal(buf_add(&bad, text, (size_t)(at - text)), 0);
        assert_int_equal(
            buf_printf(&bad, "%s%s", cases[i].to, at + strlen(cases[i].from)), 0);
        expect_refused((const char *)bad.data, "\"binding\"");
        buf_fini(&bad);
    }
    buf_fini(&json);
    run_free(r);
}

static void test_numbers_out_of_range_do_no_harm(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
    } cases[] = {
        {"\"node\":1", "\"node\":4000"},
        {"\"closed\":176", "\"closed\":0"},
        {"\"culprit_rank\":3", "\"culprit_rank\":-7"},
        {"\"culprit_rank\":3", "\"culprit_rank\":77777"},
        {"\"wall_ms\":14200", "\"wall_ms\":0"},
        {"\"p50_us\":", "\"p50_us\":9223372036854775807,\"x\":"},
    };
    struct run *r = run_good();
    struct buf json, bad, page;
    struct err e;
    buf_init(&json, 1u << 20);
    assert_int_equal(report_json(&r->s, &json), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *text = (const char *)json.data, *at = strstr(text, cases[i].from);
        assert_non_null(at);
        buf_init(&bad, 1u << 20);
        buf_init(&page, 1u << 20);
        assert_int_equal(buf_add(&bad, text, (size_t)(at - text)), 0);
        assert_int_equal(
            buf_printf(&bad, "%s%s", cases[i].to, at + strlen(cases[i].from)), 0);
        assert_int_equal(
            report_text_from_json((const char *)bad.data, bad.len, 0, &page, &e), 0);
        buf_fini(&bad);
        buf_fini(&page);
    }
    buf_fini(&json);
    run_free(r);
}

static void test_a_full_buffer_is_told(void **state)
{
    (void)state;
    struct run *r = run_good();
    struct buf out;
    buf_init(&out, 300);
    assert_int_equal(report_text(&r->s, &out), ERR_LIMIT);
    buf_fini(&out);
    buf_init(&out, 300);
    assert_int_equal(report_json(&r->s, &out), ERR_LIMIT);
    buf_fini(&out);
    run_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_json_gives_the_same_page),
        cmocka_unit_test(test_other_files_are_refused),
        cmocka_unit_test(test_damaged_files_are_refused),
        cmocka_unit_test(test_what_ranks_waited_is_no_zero_where_it_is_unknown),
        cmocka_unit_test(test_a_rank_that_never_ran_has_no_binding),
        cmocka_unit_test(test_drift_of_a_rank_that_is_not_bound_is_not_of_its_cores),
        cmocka_unit_test(test_damaged_bindings_are_refused),
        cmocka_unit_test(test_numbers_out_of_range_do_no_harm),
        cmocka_unit_test(test_a_full_buffer_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
