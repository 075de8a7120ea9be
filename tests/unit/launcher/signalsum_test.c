/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>

#include "launcher/variance/signalsum.h"
#include "proto/base/limits.h"

static void test_minutes_of_seconds(void **state)
{
    (void)state;
    struct signalsum s = {0};
    Aolani__Probe probe = AOLANI__PROBE__INIT;
    Aolani__NodeSignals m = AOLANI__NODE_SIGNALS__INIT;
    assert_null(signalsum_get(&s));
    for (unsigned i = 0; i < 60; i++) {
        m.t_ns = (i + 1) * 1000000000ull;
        m.interval_ns = 1000000000;
        m.known = AOLANI__NODE_SIGNALS__KNOWN__STEAL |
                  (i == 30 ? 0u : AOLANI__NODE_SIGNALS__KNOWN__PSI);
        m.cpus = 4;
        m.steal_us = i;
        m.interrupts = i == 0 ? UINT64_MAX : 1;
        probe.exit_ns = 700 + i;
        probe.triad_mbytes = i == 3 ? 9000 : 0;
        m.probe = i < 10 ? &probe : NULL;
        assert_int_equal(signalsum_add(&s, &m), 0);
    }
    const Aolani__NodeSignals *all = signalsum_get(&s);
    assert_int_equal(all->t_ns, 60000000000ull);
    assert_int_equal(all->interval_ns, 60000000000ull);
    assert_int_equal(all->known, AOLANI__NODE_SIGNALS__KNOWN__STEAL);
    assert_int_equal(all->cpus, 4);
    assert_int_equal(all->steal_us, 59 * 60 / 2);
    assert_true(all->interrupts == UINT64_MAX);
    assert_int_equal(all->probe->exit_ns, 709);
    assert_int_equal(all->probe->triad_mbytes, 9000); /* the last that was measured */
    signalsum_fini(&s);
    assert_null(signalsum_get(&s));
}

static void test_a_journal_has_an_end(void **state)
{
    (void)state;
    static const struct {
        uint32_t n_nodes, written;
        uint64_t minutes;
    } rows[] = {{1, 0, 1},      {1, 1439, 1},    {1, 1440, 2},   {1, 2159, 2},
                {1, 2160, 4},   {512, 1439, 1},  {513, 0, 2},    {1024, 0, 2},
                {16384, 0, 32}, {16384, 44, 32}, {16384, 45, 64}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(signalsum_every_ms(rows[i].n_nodes, rows[i].written),
                         rows[i].minutes * 60000);
    for (unsigned nodes = 1; nodes <= 262144; nodes *= 4) {
        uint64_t ms = 0, month = 30ull * 24 * 3600 * 1000;
        uint32_t written = 0;
        for (; ms < month; written++)
            ms += signalsum_every_ms(nodes, written);
        assert_true((uint64_t)written * nodes <= 4ull * 1440 * SIGNALSUM_NODES);
    }
    assert_true(signalsum_every_ms(UINT32_MAX, UINT32_MAX) > 0);
}

static void test_devices(void **state)
{
    (void)state;
    struct signalsum s = {0};
    Aolani__GpuSignal a = AOLANI__GPU_SIGNAL__INIT, b = a, *both[] = {&a, &b},
                      *one[] = {&b};
    Aolani__PortSignal p = AOLANI__PORT_SIGNAL__INIT, q = p, *ports[] = {&p, &q};
    Aolani__NodeSignals m = AOLANI__NODE_SIGNALS__INIT;
    a.uuid = (char *)"GPU-a";
    b.uuid = (char *)"GPU-b";
    a.heat_us = b.heat_us = 5;
    a.power_us = -1;
    a.sm_mhz = 1900;
    a.celsius = -1;
    b.sm_mhz = -1;
    b.ecc_errors = INT64_MAX;
    p.nic = q.nic = (char *)"mlx5_0";
    q.port = 1;
    p.downs = 1;
    q.downs = 0;
    m.gpus = both;
    m.n_gpus = 2;
    m.ports = ports;
    m.n_ports = 2;
    assert_int_equal(signalsum_add(&s, &m), 0);
    m.gpus = one; /* the other has fallen off the bus */
    m.n_gpus = 1;
    b.sm_mhz = 1200;
    b.power_us = -1;
    assert_int_equal(signalsum_add(&s, &m), 0);
    m.gpus = both;
    m.n_gpus = 2;
    a.sm_mhz = 800;
    a.celsius = 70;
    assert_int_equal(signalsum_add(&s, &m), 0);

    const Aolani__NodeSignals *all = signalsum_get(&s);
    assert_int_equal(all->n_gpus, 2);
    assert_string_equal(all->gpus[0]->uuid, "GPU-a");
    assert_int_equal(all->gpus[0]->heat_us, 10);
    assert_int_equal(all->gpus[0]->power_us, -1);
    assert_int_equal(all->gpus[0]->sm_mhz, 800);
    assert_int_equal(all->gpus[0]->celsius, 70);
    assert_int_equal(all->gpus[1]->heat_us, 15);
    assert_int_equal(all->gpus[1]->power_us, -1); /* once not known */
    assert_int_equal(all->gpus[1]->sm_mhz, 1200);
    assert_true(all->gpus[1]->ecc_errors == INT64_MAX);
    assert_int_equal(all->n_ports, 2);
    assert_int_equal(all->ports[0]->downs, 3);
    assert_int_equal(all->ports[1]->downs, 0);
    signalsum_fini(&s);
}

/* A node that names other devices every time. */
static void test_bounded(void **state)
{
    (void)state;
    struct signalsum s = {0};
    char name[40], *links[] = {name};
    Aolani__GpuSignal g = AOLANI__GPU_SIGNAL__INIT, *gpus[] = {&g};
    Aolani__PortSignal p = AOLANI__PORT_SIGNAL__INIT, *ports[] = {&p};
    Aolani__NodeSignals m = AOLANI__NODE_SIGNALS__INIT;
    g.uuid = p.nic = name;
    m.n_gpus = m.n_ports = m.n_links = 1;
    m.gpus = gpus;
    m.ports = ports;
    m.links = links;
    for (unsigned i = 0; i < 3000; i++) {
        (void)snprintf(name, sizeof name, "%u", i);
        assert_int_equal(signalsum_add(&s, &m), 0);
    }
    assert_int_equal(signalsum_get(&s)->n_gpus, LIMIT_SIGNALS_GPUS);
    assert_int_equal(signalsum_get(&s)->n_ports, LIMIT_SIGNALS_PORTS);
    assert_int_equal(signalsum_get(&s)->n_links, SIGNALSUM_LINKS);
    assert_string_equal(signalsum_get(&s)->links[63], "63");
    signalsum_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_minutes_of_seconds),
        cmocka_unit_test(test_a_journal_has_an_end),
        cmocka_unit_test(test_devices),
        cmocka_unit_test(test_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
