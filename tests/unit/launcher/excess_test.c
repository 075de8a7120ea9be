/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "launcher/variance/excess.h"

/* A step of 10 ms that is usual: 9.5 ms CPU, 0.3 run delay, 0.2 asleep in two switches. */
static const struct excess_usual usual = {.busy = 10000,
                                          .cpu = 9500,
                                          .rundelay = 300,
                                          .throttled = 100,
                                          .blocked = 200,
                                          .stolen = 0,
                                          .faults = 160,
                                          .majflt = 0,
                                          .nvcsw = 2};

static struct steprec record(void)
{
    return (struct steprec){.wall_us = 15000,
                            .wait_us = 1000,
                            .cpu_us = 9500,
                            .rundelay_us = 300,
                            .throttled_us = 100,
                            .blocked_us = 200,
                            .minflt16 = 10,
                            .nvcsw = 2,
                            .source = STEPREC_CLIENT};
}

static struct signals_seen nothing(void)
{
    return (struct signals_seen){.steal = NAN,
                                 .psi_cpu = NAN,
                                 .psi_memory = NAN,
                                 .psi_io = NAN,
                                 .gpu_throttle = NAN,
                                 .gpu_mhz = NAN,
                                 .xmit_wait = NAN,
                                 .memory_ratio = NAN,
                                 .fault_ns = NAN};
}

struct more { /* than usual */
    uint32_t cpu, rundelay, throttled, blocked, stolen, gpu;
    uint16_t nvcsw, majflt, minflt16, flags;
    uint8_t source;
};

struct expect {
    enum mechanism what;
    struct {
        enum mechanism m;
        double us;
    } part[3];
    bool hidden;
};

static struct steprec late(const struct more *m)
{
    struct steprec r = record();
    r.cpu_us += m->cpu;
    r.rundelay_us += m->rundelay;
    r.throttled_us += m->throttled;
    r.blocked_us += m->blocked;
    r.stolen_us += m->stolen;
    r.gpu_throttle_us += m->gpu;
    r.nvcsw = (uint16_t)(r.nvcsw + m->nvcsw);
    r.majflt = (uint16_t)(r.majflt + m->majflt);
    r.minflt16 = (uint16_t)(r.minflt16 + m->minflt16);
    r.flags |= m->flags;
    r.source = m->source ? m->source : r.source;
    return r;
}

static void check(const char *name, const struct more *m,
                  const struct signals_seen *seen, double us, const struct expect *e)
{
    struct steprec r = late(m);
    struct excess x;
    double sum = 0;
    excess_split(&r, us, &usual, seen, &x);
    for (int i = 0; i < MECH_N; i++) {
        double want = 0;
        for (int k = 0; k < 3; k++)
            want = e->part[k].us > 0 && (int)e->part[k].m == i ? e->part[k].us : want;
        if (fabs(x.part[i] - want) > 1e-6)
            fail_msg("%s: %s is %.1f, not %.1f", name, mech_name((enum mechanism)i),
                     x.part[i], want);
        sum += x.part[i];
    }
    if (x.us != us || fabs(sum - us) > 1e-6 || x.what != e->what ||
        x.hidden != e->hidden)
        fail_msg("%s: %.1f us, parts of %.1f, %s, hidden %d", name, x.us, sum,
                 mech_name(x.what), x.hidden);
}

static void test_what_was_measured(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct more more;
        double us;
        struct expect is;
    } cases[] = {
        {"a quota",
         {.rundelay = 4000, .throttled = 4000},
         4000,
         {MECH_THROTTLED, {{MECH_THROTTLED, 4000}}, false}},
        {"others on the core",
         {.rundelay = 4000},
         4000,
         {MECH_PREEMPTED, {{MECH_PREEMPTED, 4000}}, false}},
        {"quota and others",
         {.rundelay = 4000, .throttled = 1000},
         4000,
         {MECH_PREEMPTED, {{MECH_THROTTLED, 1000}, {MECH_PREEMPTED, 3000}}, false}},
        {"stolen", {.stolen = 4000}, 4000, {MECH_STOLEN, {{MECH_STOLEN, 4000}}, false}},
        {"stopped",
         {.blocked = 4000, .nvcsw = 1, .flags = STEPREC_STOPPED},
         4000,
         {MECH_STOPPED, {{MECH_STOPPED, 4000}}, false}},
        {"asleep",
         {.blocked = 4000, .nvcsw = 1},
         4000,
         {MECH_BLOCKED, {{MECH_BLOCKED, 4000}}, false}},
        {"a page from disk",
         {.blocked = 4000, .nvcsw = 3, .majflt = 2},
         4000,
         {MECH_FAULTS, {{MECH_FAULTS, 4000}}, false}},
        {"asleep, and a page from disk",
         {.blocked = 4000, .nvcsw = 30, .majflt = 2},
         4000,
         {MECH_BLOCKED, {{MECH_BLOCKED, 4000}}, false}},
        {"page faults of 0.5 us",
         {.cpu = 4000, .minflt16 = 500},
         4000,
         {MECH_FAULTS, {{MECH_FAULTS, 4000}}, false}},
        {"page faults of a burst, which take twice as long",
         {.cpu = 4000, .minflt16 = 250},
         4000,
         {MECH_FAULTS, {{MECH_FAULTS, 4000}}, false}},
        {"page faults and work",
         {.cpu = 4000, .minflt16 = 63},
         4000,
         {MECH_WORK, {{MECH_FAULTS, 1008}, {MECH_WORK, 2992}}, false}},
        {"page faults that took no CPU time to speak of",
         {.cpu = 100, .minflt16 = 500, .stolen = 3900},
         4000,
         {MECH_STOLEN, {{MECH_STOLEN, 3900}, {MECH_FAULTS, 100}}, false}},
        {"work", {.cpu = 4000}, 4000, {MECH_WORK, {{MECH_WORK, 4000}}, false}},
        {"half and half: the first",
         {.cpu = 2000, .stolen = 2000},
         4000,
         {MECH_STOLEN, {{MECH_STOLEN, 2000}, {MECH_WORK, 2000}}, false}},
        {"three",
         {.cpu = 1400, .stolen = 1300, .rundelay = 1300},
         4000,
         {MECH_MIXED,
          {{MECH_PREEMPTED, 1300}, {MECH_STOLEN, 1300}, {MECH_WORK, 1400}},
          false}},
        {"measured more than late",
         {.cpu = 9000, .rundelay = 3000},
         4000,
         {MECH_PREEMPTED, {{MECH_PREEMPTED, 3000}, {MECH_WORK, 1000}}, false}},
        {"nothing measured", {0}, 4000, {MECH_UNKNOWN, {{MECH_UNKNOWN, 4000}}, false}},
        {"a GPU",
         {.source = STEPREC_NCCL},
         4000,
         {MECH_GPU_SLOW, {{MECH_GPU_SLOW, 4000}}, false}},
        {"a GPU that says it was throttled",
         {.source = STEPREC_NCCL, .gpu = 3000},
         4000,
         {MECH_GPU, {{MECH_GPU, 3000}, {MECH_GPU_SLOW, 1000}}, false}},
        {"a stall that the GPU's queue hid in part",
         {.source = STEPREC_NCCL, .rundelay = 9000},
         4000,
         {MECH_PREEMPTED, {{MECH_PREEMPTED, 4000}}, true}},
        {"the same of the host's own pace",
         {.flags = STEPREC_HOST_PACED, .blocked = 9000, .nvcsw = 1},
         4000,
         {MECH_BLOCKED, {{MECH_BLOCKED, 4000}}, true}},
        {"no excess", {.cpu = 4000}, 0, {MECH_UNKNOWN, {{MECH_UNKNOWN, 0}}, false}},
    };
    struct signals_seen seen = nothing();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(cases[i].name, &cases[i].more, &seen, cases[i].us, &cases[i].is);
}

static void test_what_the_node_said(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct more more;
        double steal, gpu, memory, fault_ns; /* 0: not known */
        uint64_t link_errors;
        struct expect is;
    } cases[] = {
        {"stolen behind the usual sleep",
         {.blocked = 4000},
         0.3,
         0,
         0,
         0,
         0,
         {MECH_STOLEN, {{MECH_STOLEN, 4000}}, false}},
        {"it slept more often",
         {.blocked = 4000, .nvcsw = 1},
         0.3,
         0,
         0,
         0,
         0,
         {MECH_BLOCKED, {{MECH_BLOCKED, 4000}}, false}},
        {"too little was stolen",
         {.blocked = 4000},
         0.02,
         0,
         0,
         0,
         0,
         {MECH_BLOCKED, {{MECH_BLOCKED, 4000}}, false}},
        {"link errors and waiting",
         {.blocked = 4000, .nvcsw = 1},
         0,
         0,
         0,
         0,
         3,
         {MECH_LINK, {{MECH_LINK, 4000}}, false}},
        {"link errors and CPU time",
         {.cpu = 4000},
         0,
         0,
         0,
         0,
         3,
         {MECH_WORK, {{MECH_WORK, 4000}}, false}},
        {"link errors and preemption",
         {.rundelay = 4000},
         0,
         0,
         0,
         0,
         3,
         {MECH_PREEMPTED, {{MECH_PREEMPTED, 4000}}, false}},
        {"link errors and GPU time",
         {.source = STEPREC_NCCL},
         0,
         0,
         0,
         0,
         3,
         {MECH_LINK, {{MECH_LINK, 4000}}, false}},
        {"link errors, and nothing measured of a rank without a GPU",
         {0},
         0,
         0,
         0,
         0,
         3,
         {MECH_UNKNOWN, {{MECH_UNKNOWN, 4000}}, false}},
        {"a throttled GPU that was slept for",
         {.blocked = 4000, .nvcsw = 1},
         0,
         0.9,
         0,
         0,
         0,
         {MECH_GPU, {{MECH_GPU, 4000}}, false}},
        {"a throttled GPU that was spun for",
         {.cpu = 4000},
         0,
         0.9,
         0,
         0,
         0,
         {MECH_GPU, {{MECH_GPU, 4000}}, false}},
        {"a tenth of the time throttled",
         {.blocked = 2000, .nvcsw = 1, .cpu = 2000},
         0,
         0.1,
         0,
         0,
         0,
         {MECH_WORK,
          {{MECH_GPU, 1500}, {MECH_BLOCKED, 500}, {MECH_WORK, 2000}},
          false}},
        {"a stop is no GPU's doing",
         {.blocked = 4000, .nvcsw = 1, .flags = STEPREC_STOPPED},
         0,
         0.9,
         0,
         0,
         5,
         {MECH_STOPPED, {{MECH_STOPPED, 4000}}, false}},
        {"memory bandwidth fell",
         {.cpu = 4000},
         0,
         0,
         0.7,
         0,
         0,
         {MECH_MEMORY, {{MECH_MEMORY, 4000}}, false}},
        {"hardly",
         {.cpu = 4000},
         0,
         0,
         0.95,
         0,
         0,
         {MECH_WORK, {{MECH_WORK, 4000}}, false}},
        {"it fell, and the rank was preempted: its cache is cold",
         {.cpu = 2500, .rundelay = 1500},
         0,
         0,
         0.7,
         0,
         0,
         {MECH_WORK, {{MECH_PREEMPTED, 1500}, {MECH_WORK, 2500}}, false}},
        {"it fell, and no CPU time rose",
         {0},
         0,
         0,
         0.7,
         0,
         0,
         {MECH_UNKNOWN, {{MECH_UNKNOWN, 4000}}, false}},
        {"page faults of 2 us",
         {.cpu = 4000, .minflt16 = 50},
         0,
         0,
         0,
         2000,
         0,
         {MECH_FAULTS, {{MECH_FAULTS, 3200}, {MECH_WORK, 800}}, false}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct signals_seen seen = nothing();
        if (cases[i].steal > 0)
            seen.steal = cases[i].steal;
        if (cases[i].gpu > 0)
            seen.gpu_throttle = cases[i].gpu;
        if (cases[i].memory > 0)
            seen.memory_ratio = cases[i].memory;
        if (cases[i].fault_ns > 0)
            seen.fault_ns = cases[i].fault_ns;
        seen.link_errors = cases[i].link_errors;
        check(cases[i].name, &cases[i].more, &seen, 4000, &cases[i].is);
    }
}

static void test_saturated_records(void **state)
{
    (void)state;
    struct steprec r;
    struct signals_seen seen = nothing();
    static const double us[] = {1e-9, 1, 4294967295.0, 1e30, NAN, INFINITY, -5};
    memset(&r, 0xff, sizeof r);
    for (size_t i = 0; i < sizeof us / sizeof *us; i++)
        for (int flags = 0; flags < 256; flags++) {
            struct excess x;
            double sum = 0;
            r.flags = (uint16_t)flags;
            seen.gpu_throttle = flags % 3 ? NAN : 1;
            excess_split(&r, us[i], &usual, &seen, &x);
            for (int m = 0; m < MECH_N; m++) {
                assert_true(isfinite(x.part[m]) && x.part[m] >= 0);
                sum += x.part[m];
            }
            assert_true(isfinite(x.us) && fabs(sum - x.us) <= 1e-9 * x.us);
            assert_true(x.us > 0 || x.what == MECH_UNKNOWN);
        }
}

static void test_the_class_of_a_whole(void **state)
{
    (void)state;
    double part[MECH_N] = {0};
    assert_int_equal(excess_class(part, 0), MECH_UNKNOWN);
    assert_int_equal(excess_class(part, NAN), MECH_UNKNOWN);
    part[MECH_STOLEN] = 50;
    part[MECH_WORK] = 50;
    assert_int_equal(excess_class(part, 100), MECH_STOLEN);
    part[MECH_STOLEN] = 49;
    part[MECH_WORK] = 48;
    part[MECH_UNKNOWN] = 3;
    assert_int_equal(excess_class(part, 100), MECH_MIXED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_measured),
        cmocka_unit_test(test_what_the_node_said),
        cmocka_unit_test(test_saturated_records),
        cmocka_unit_test(test_the_class_of_a_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
