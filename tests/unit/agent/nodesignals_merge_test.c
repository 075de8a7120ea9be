/* SPDX-License-Identifier: MIT */
/* Intervals of one node: how two become one, when there is no news, and the message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/nodesignals_merge.h"
#include "proto/base/err.h"

#define SECOND 1000000000ull

static const uint32_t cpus[] = {1, 4, 6};

static struct nodesignals_sum make(uint64_t from_s)
{
    struct nodesignals_sum s;
    assert_int_equal(nodesignals_sum_init(&s, cpus, 3), 0);
    s.from_ns = from_s * SECOND;
    s.to_ns = (from_s + 1) * SECOND;
    s.holds = true;
    s.known = NODESIGNALS_STEAL | NODESIGNALS_PSI | NODESIGNALS_QUOTA |
              NODESIGNALS_INTERRUPTS;
    return s;
}

static Aolani__GpuSignal gpu(const char *uuid)
{
    Aolani__GpuSignal g = AOLANI__GPU_SIGNAL__INIT;
    g.uuid = (char *)uuid;
    g.sm_mhz = 1980;
    g.mem_mhz = 2619;
    g.celsius = 50;
    g.milliwatts = 300000;
    g.sm_max_mhz = 1980;
    return g;
}

static void test_counts_are_added(void **state)
{
    (void)state;
    struct nodesignals_sum a = make(10), b = make(11);
    a.steal_us[0] = 10000;
    b.steal_us[0] = 20000;
    b.steal_us[2] = 5;
    a.psi_us[NODESIGNALS_IO] = 3;
    b.psi_us[NODESIGNALS_IO] = 4;
    a.throttled_us = 1;
    b.throttled_us = 2;
    a.interrupts = 100;
    b.softirqs = 7;
    b.known &= ~(uint32_t)NODESIGNALS_PSI;
    b.probed = true;
    b.probe.exit_ns = 760;
    nodesignals_sum_merge(&a, &b);
    assert_int_equal(a.from_ns, 10 * SECOND);
    assert_int_equal(a.to_ns, 12 * SECOND);
    assert_int_equal(a.known,
                     NODESIGNALS_STEAL | NODESIGNALS_QUOTA | NODESIGNALS_INTERRUPTS);
    assert_int_equal(a.steal_us[0], 30000);
    assert_int_equal(a.steal_us[1], 0);
    assert_int_equal(a.steal_us[2], 5);
    assert_int_equal(a.throttled_us, 3);
    assert_int_equal(a.interrupts, 100);
    assert_int_equal(a.softirqs, 7);
    assert_int_equal(a.probe.exit_ns, 760);
    nodesignals_sum_clear(&b);
    nodesignals_sum_merge(&a, &b); /* holds nothing */
    assert_int_equal(a.to_ns, 12 * SECOND);
    nodesignals_sum_merge(&b, &a); /* into nothing */
    assert_int_equal(b.from_ns, 10 * SECOND);
    assert_int_equal(b.steal_us[2], 5);
    nodesignals_sum_fini(&a);
    nodesignals_sum_fini(&b);
}

static void test_devices(void **state)
{
    (void)state;
    struct nodesignals_sum a = make(10), b = make(11);
    struct nodesignals_port p = {.nic = "mlx5_0", .number = 1};
    Aolani__GpuSignal g = gpu("GPU-a"), other = gpu("GPU-b"), bad = gpu("");
    g.power_us = 100;
    g.heat_us = -1;
    assert_int_equal(nodesignals_sum_gpu(&a, &g), 0);
    g.heat_us = 5;
    g.sm_mhz = 1200;
    g.mem_mhz = -1;
    g.celsius = 80;
    g.milliwatts = 100;
    assert_int_equal(nodesignals_sum_gpu(&b, &g), 0);
    assert_int_equal(nodesignals_sum_gpu(&b, &other), 0);
    assert_true(nodesignals_sum_gpu(&b, &bad) < 0);
    p.count[PORT_DOWNS] = 1;
    p.count[PORT_MARKS] = -1;
    assert_int_equal(nodesignals_sum_port(&a, &p), 0);
    assert_int_equal(nodesignals_sum_port(&b, &p), 0);
    assert_int_equal(nodesignals_sum_link(&b, "0000:18:00.0 x16 -> x8"), 0);
    nodesignals_sum_merge(&a, &b);
    assert_int_equal(a.n_gpus, 2);
    assert_int_equal(a.gpus[0].s.power_us, 200);
    assert_int_equal(a.gpus[0].s.heat_us, -1);
    assert_int_equal(a.gpus[0].s.sm_mhz, 1200);
    assert_int_equal(a.gpus[0].s.mem_mhz, 2619);
    assert_int_equal(a.gpus[0].s.celsius, 80);
    assert_int_equal(a.gpus[0].s.milliwatts, 300000);
    assert_int_equal(a.n_ports, 1);
    assert_int_equal(a.ports[0].count[PORT_DOWNS], 2);
    assert_int_equal(a.ports[0].count[PORT_MARKS], -1);
    assert_int_equal(a.n_links, 1);
    nodesignals_sum_fini(&a);
    nodesignals_sum_fini(&b);
}

/* A driver's slip must not cost the node, whose signals the head refuses then. */
static void test_what_nobody_believes(void **state)
{
    (void)state;
    static const int64_t most = 1ll << 48;
    struct nodesignals_sum a = make(10), b = make(11);
    struct nodesignals_port p = {.nic = "mlx5_0", .number = 1};
    Aolani__GpuSignal g = gpu("GPU-a");
    g.power_us = most + 1;
    g.heat_us = -2;
    g.brake_us = most;
    g.pcie_replays = INT64_MAX;
    g.sm_mhz = 60001;
    g.mem_mhz = -7;
    assert_int_equal(nodesignals_sum_gpu(&a, &g), 0);
    assert_int_equal(a.gpus[0].s.power_us, -1);
    assert_int_equal(a.gpus[0].s.heat_us, -1);
    assert_int_equal(a.gpus[0].s.brake_us, most);
    assert_int_equal(a.gpus[0].s.pcie_replays, -1);
    assert_int_equal(a.gpus[0].s.sm_mhz, -1);
    assert_int_equal(a.gpus[0].s.mem_mhz, -1);
    p.count[PORT_XMIT_BYTES] = most + 1;
    p.count[PORT_RCV_BYTES] = most;
    p.count[PORT_DOWNS] = most - 1;
    assert_int_equal(nodesignals_sum_port(&a, &p), 0);
    assert_int_equal(a.ports[0].count[PORT_XMIT_BYTES], -1);
    assert_int_equal(a.ports[0].count[PORT_RCV_BYTES], most);
    assert_int_equal(a.ports[0].count[PORT_DOWNS], most - 1);
    g.brake_us = p.count[PORT_DOWNS] = 1;
    g.sm_mhz = 1200;
    assert_int_equal(nodesignals_sum_gpu(&b, &g), 0);
    assert_int_equal(nodesignals_sum_port(&b, &p), 0);
    nodesignals_sum_merge(&a, &b); /* nor what adds up to it */
    assert_int_equal(a.gpus[0].s.brake_us, -1);
    assert_int_equal(a.gpus[0].s.sm_mhz, 1200);
    assert_int_equal(a.ports[0].count[PORT_RCV_BYTES], -1);
    assert_int_equal(a.ports[0].count[PORT_DOWNS], most);
    nodesignals_sum_fini(&a);
    nodesignals_sum_fini(&b);
}

static void test_what_is_merged_is_alike(void **state)
{
    (void)state;
    struct nodesignals_sum a = make(10), b = make(11);
    struct nodesignals_port p = {.nic = "mlx5_0", .number = 1};
    Aolani__GpuSignal g = gpu("GPU-a");
    assert_true(nodesignals_sum_is_alike(&a, &b));
    assert_int_equal(nodesignals_sum_gpu(&a, &g), 0);
    assert_false(nodesignals_sum_is_alike(&a, &b)); /* it fell off the bus */
    assert_int_equal(nodesignals_sum_gpu(&b, &g), 0);
    assert_true(nodesignals_sum_is_alike(&a, &b));
    assert_int_equal(nodesignals_sum_port(&b, &p), 0);
    assert_false(nodesignals_sum_is_alike(&a, &b));
    assert_int_equal(nodesignals_sum_port(&a, &p), 0);
    assert_true(nodesignals_sum_is_alike(&a, &b));
    a.known &= ~(uint32_t)NODESIGNALS_PSI;
    assert_false(nodesignals_sum_is_alike(&a, &b));
    nodesignals_sum_fini(&a);
    nodesignals_sum_fini(&b);
}

static void test_lists_are_bounded(void **state)
{
    (void)state;
    struct nodesignals_sum s = make(1);
    char uuid[32];
    Aolani__GpuSignal g = gpu(uuid);
    struct nodesignals_port p = {.nic = "mlx5_0"};
    for (unsigned i = 0; i < LIMIT_SIGNALS_GPUS; i++) {
        (void)snprintf(uuid, sizeof uuid, "GPU-%u", i);
        assert_int_equal(nodesignals_sum_gpu(&s, &g), 0);
    }
    g.uuid = (char *)"GPU-more";
    assert_int_equal(nodesignals_sum_gpu(&s, &g), ERR_LIMIT);
    for (; p.number < LIMIT_SIGNALS_PORTS; p.number++)
        assert_int_equal(nodesignals_sum_port(&s, &p), 0);
    assert_int_equal(nodesignals_sum_port(&s, &p), ERR_LIMIT);
    for (unsigned i = 0; i < NODESIGNALS_LINKS; i++)
        assert_int_equal(nodesignals_sum_link(&s, "x"), 0);
    assert_int_equal(nodesignals_sum_link(&s, "x"), ERR_LIMIT);
    nodesignals_sum_fini(&s);
}

/* ---- quiet */

static void be_stolen_from(struct nodesignals_sum *s)
{
    s->steal_us[1] = 10000;
}
static void be_pressed(struct nodesignals_sum *s)
{
    s->psi_us[NODESIGNALS_MEMORY] = 10001;
}
static void be_pressed_a_little(struct nodesignals_sum *s)
{
    s->psi_us[NODESIGNALS_MEMORY] = 10000;
}
static void be_throttled(struct nodesignals_sum *s)
{
    s->throttled_us = 1;
}
static void be_probed(struct nodesignals_sum *s)
{
    s->probed = true;
}
static void be_capped(struct nodesignals_sum *s)
{
    Aolani__GpuSignal g = gpu("GPU-a");
    g.power_us = 500000;
    assert_int_equal(nodesignals_sum_gpu(s, &g), 0);
}
static void have_a_gpu(struct nodesignals_sum *s)
{
    Aolani__GpuSignal g = gpu("GPU-a");
    g.power_us = g.ecc_errors = g.nvlink_errors = -1;
    assert_int_equal(nodesignals_sum_gpu(s, &g), 0);
}
static void have_replays(struct nodesignals_sum *s)
{
    Aolani__GpuSignal g = gpu("GPU-a");
    g.pcie_replays = 1;
    assert_int_equal(nodesignals_sum_gpu(s, &g), 0);
}
static void have_traffic(struct nodesignals_sum *s)
{
    struct nodesignals_port p = {.nic = "mlx5_0", .count = {9, 9, 9, 0, -1, 0, 0, 0}};
    assert_int_equal(nodesignals_sum_port(s, &p), 0);
}
static void have_marks(struct nodesignals_sum *s)
{
    struct nodesignals_port p = {.nic = "mlx5_0", .count = {[PORT_MARKS] = 1}};
    assert_int_equal(nodesignals_sum_port(s, &p), 0);
}
static void have_a_link(struct nodesignals_sum *s)
{
    assert_int_equal(nodesignals_sum_link(s, "0000:18:00.0 x16 -> x8"), 0);
}
static void do_nothing(struct nodesignals_sum *s)
{
    s->interrupts = s->softirqs = 100000;
}

static void test_quiet(void **state)
{
    (void)state;
    static const struct {
        void (*what)(struct nodesignals_sum *s);
        bool quiet;
    } table[] = {
        {do_nothing, true},          {be_stolen_from, false}, {be_pressed, false},
        {be_pressed_a_little, true}, {be_throttled, false},   {be_probed, false},
        {be_capped, false},          {have_a_gpu, true},      {have_replays, false},
        {have_traffic, true},        {have_marks, false},     {have_a_link, false}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct nodesignals_sum s = make(1);
        table[i].what(&s);
        assert_int_equal(nodesignals_sum_is_quiet(&s), table[i].quiet);
        nodesignals_sum_fini(&s);
    }
}

/* ---- the message */

static Aolani__NodeSignals *sent;

static int64_t on_send(void *arg, enum message_type type, const ProtobufCMessage *m)
{
    uint8_t *bytes = malloc(protobuf_c_message_get_packed_size(m));
    size_t n = protobuf_c_message_pack(m, bytes);
    assert_int_equal(type, MSG_NODE_SIGNALS);
    assert_true(n <= message_rule(type)->max_payload);
    if (*(int64_t *)arg > 0)
        sent = aolani__node_signals__unpack(NULL, n, bytes);
    free(bytes);
    return *(int64_t *)arg;
}

static void test_message(void **state)
{
    (void)state;
    int64_t rc = -11;
    struct upward up = {.send = on_send, .arg = &rc};
    struct nodesignals_sum s = make(10);
    s.steal_us[2] = 70;
    s.psi_us[NODESIGNALS_CPU] = 1;
    s.known &= ~(uint32_t)NODESIGNALS_PSI;
    have_replays(&s);
    have_traffic(&s);
    have_a_link(&s);
    be_probed(&s);
    aolani__probe__init(&s.probe);
    s.probe.triad_mbytes = 20000;
    assert_int_equal(nodesignals_sum_send(&s, &up), -11);
    rc = 5;
    assert_int_equal(nodesignals_sum_send(&s, &up), 0);
    assert_int_equal(sent->t_ns, 11 * SECOND);
    assert_int_equal(sent->interval_ns, SECOND);
    assert_int_equal(sent->cpus, 3);
    assert_int_equal(sent->steal_us, 70);
    assert_int_equal(sent->n_steal, 1);
    assert_int_equal(sent->steal[0]->cpu, 6);
    assert_int_equal(sent->psi_cpu_us, 0); /* not known */
    assert_int_equal(sent->n_gpus, 1);
    assert_string_equal(sent->gpus[0]->uuid, "GPU-a");
    assert_int_equal(sent->gpus[0]->pcie_replays, 1);
    assert_int_equal(sent->n_ports, 1);
    assert_int_equal(sent->ports[0]->recoveries, -1);
    assert_string_equal(sent->links[0], "0000:18:00.0 x16 -> x8");
    assert_int_equal(sent->probe->triad_mbytes, 20000);
    aolani__node_signals__free_unpacked(sent, NULL);
    nodesignals_sum_fini(&s);
}

/* The largest node there can be still fits into a message. */
static void test_the_largest_message(void **state)
{
    (void)state;
    int64_t rc = 1;
    struct upward up = {.send = on_send, .arg = &rc};
    uint32_t *all = calloc(LIMIT_SIGNALS_CPUS, sizeof *all);
    struct nodesignals_sum s;
    char uuid[LIMIT_DEVICE_NAME + 1];
    Aolani__GpuSignal g = gpu(uuid);
    struct nodesignals_port p = {.count = {INT32_MAX, INT64_MAX, INT64_MAX, INT32_MAX,
                                           INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX}};
    for (uint32_t i = 0; i < LIMIT_SIGNALS_CPUS; i++)
        all[i] = i;
    assert_int_equal(nodesignals_sum_init(&s, all, LIMIT_SIGNALS_CPUS), 0);
    s.known = NODESIGNALS_STEAL;
    for (uint32_t i = 0; i < LIMIT_SIGNALS_CPUS; i++)
        s.steal_us[i] = SECOND;
    g.power_us = g.heat_us = g.brake_us = INT32_MAX;
    g.sync_us = g.board_us = g.reliability_us = g.energy_mj = INT32_MAX;
    g.ecc_corrected = g.remapped_rows = INT32_MAX;
    g.reasons = UINT16_MAX;
    for (unsigned i = 0; i < LIMIT_SIGNALS_GPUS; i++) {
        (void)snprintf(uuid, sizeof uuid, "MIG-%036u-%u", 0u, i);
        assert_int_equal(nodesignals_sum_gpu(&s, &g), 0);
    }
    for (unsigned i = 0; i < LIMIT_SIGNALS_PORTS; i++) {
        (void)snprintf(p.nic, sizeof p.nic, "rocep%050us0", i);
        assert_int_equal(nodesignals_sum_port(&s, &p), 0);
    }
    for (unsigned i = 0; i < NODESIGNALS_LINKS; i++)
        have_a_link(&s);
    struct xid x = {.bus = "00010000:3b:00.0"};
    memset(x.text, 'x', sizeof x.text - 1);
    for (; x.number < LIMIT_FAULTS; x.number++)
        nodesignals_sum_fault(&s, &x, UINT32_MAX);
    assert_int_equal(nodesignals_sum_send(&s, &up), 0);
    assert_int_equal(sent->n_steal, LIMIT_SIGNALS_CPUS);
    assert_int_equal(sent->n_faults, LIMIT_FAULTS);
    assert_string_equal(sent->faults[LIMIT_FAULTS - 1]->text, x.text);
    aolani__node_signals__free_unpacked(sent, NULL);
    nodesignals_sum_fini(&s);
    free(all);
}

/* What a GPU has more to say, and what the kernel says of it. */
static void test_gpus_and_faults(void **state)
{
    (void)state;
    struct nodesignals_sum a = make(10), b = make(11);
    Aolani__GpuSignal g = gpu("GPU-a");
    struct xid lost = {.number = 79, .bus = "0000:3b:00.0", .text = "first"},
               other = {.number = 79, .bus = "0000:af:00.0"};
    g.energy_mj = 300;
    g.ecc_corrected = -1;
    g.remapped_rows = 1;
    g.mem_celsius = 70;
    g.reasons = 4;
    assert_int_equal(nodesignals_sum_gpu(&a, &g), 0);
    assert_false(nodesignals_sum_is_quiet(&a)); /* a row was remapped */
    g.energy_mj = 400;
    g.ecc_corrected = 2;
    g.mem_celsius = -1;
    g.reasons = 32;
    assert_int_equal(nodesignals_sum_gpu(&b, &g), 0);
    nodesignals_sum_fault(&a, &lost, 1);
    snprintf(lost.text, sizeof lost.text, "second");
    nodesignals_sum_fault(&b, &lost, 2);
    nodesignals_sum_fault(&b, &other, 1);
    nodesignals_sum_merge(&a, &b);
    const Aolani__GpuSignal *s = &a.gpus[0].s;
    assert_int_equal(s->energy_mj, 700);
    assert_int_equal(s->ecc_corrected, -1);
    assert_int_equal(s->remapped_rows, 2);
    assert_int_equal(s->mem_celsius, 70);
    assert_int_equal(s->reasons, 36);
    assert_int_equal(a.n_faults, 2);
    assert_int_equal(a.faults[0].n, 3);
    assert_string_equal(a.faults[0].x.text, "first");
    nodesignals_sum_clear(&b);
    assert_true(nodesignals_sum_is_quiet(&b));
    nodesignals_sum_fault(&b, &lost, 1);
    assert_false(nodesignals_sum_is_quiet(&b));
    nodesignals_sum_fini(&a);
    nodesignals_sum_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_are_added),
        cmocka_unit_test(test_devices),
        cmocka_unit_test(test_what_nobody_believes),
        cmocka_unit_test(test_what_is_merged_is_alike),
        cmocka_unit_test(test_lists_are_bounded),
        cmocka_unit_test(test_quiet),
        cmocka_unit_test(test_message),
        cmocka_unit_test(test_the_largest_message),
        cmocka_unit_test(test_gpus_and_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
