/* SPDX-License-Identifier: MIT */
/* signals_test.c - what a stretch of time is told of its node, and what is not believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/variance/signals.h"
#include "proto/base/limits.h"

#define SEC   1000000000ull
#define KNOWN 63u

/* A message with one of everything; each second one. */
struct said {
    Aolani__NodeSignals m;
    Aolani__CpuTime steal[4], *steals[4];
    Aolani__GpuSignal gpu[2], *gpus[2];
    Aolani__PortSignal port[2], *ports[2];
    Aolani__Probe probe;
    char *links[2], link[2][200];
};

static struct said *say(struct said *s, uint64_t t_ns)
{
    memset(s, 0, sizeof *s);
    aolani__node_signals__init(&s->m);
    aolani__probe__init(&s->probe);
    s->m.t_ns = t_ns;
    s->m.interval_ns = SEC;
    s->m.known = KNOWN;
    s->m.cpus = 4;
    s->m.steal = s->steals;
    s->m.gpus = s->gpus;
    s->m.ports = s->ports;
    s->m.links = s->links;
    for (uint32_t i = 0; i < 4; i++) {
        aolani__cpu_time__init(s->steals[i] = &s->steal[i]);
        s->steal[i].cpu = 2 * i;
    }
    for (uint32_t i = 0; i < 2; i++) {
        aolani__gpu_signal__init(s->gpus[i] = &s->gpu[i]);
        aolani__port_signal__init(s->ports[i] = &s->port[i]);
        s->gpu[i].uuid = i ? "GPU-1" : "GPU-0";
        s->port[i].nic = i ? "mlx5_1" : "mlx5_0";
        s->port[i].port = 1;
        s->links[i] = s->link[i];
    }
    return s;
}

static void add(struct signals *s, const struct said *what)
{
    struct err e;
    if (signals_add(s, 0, &what->m, &e) < 0)
        fail_msg("%s", e.text);
}

static struct signals *make(void)
{
    struct signals *s;
    assert_int_equal(signals_create(2, &s), 0);
    return s;
}

static struct signals_seen over(const struct signals *s, double from, double to,
                                const char *cpus, const char *gpu, const char *nic)
{
    struct signals_seen seen;
    signals_over(s, 0, (uint64_t)(from * 1e9), (uint64_t)(to * 1e9), cpus, gpu, nic,
                 &seen);
    return seen;
}

static void is(double got, double should)
{
    if (isnan(should) ? !isnan(got)
                      : !(fabs(got - should) <= 1e-4 * fabs(should) + 2e-5))
        fail_msg("%g, not %g", got, should);
}

/* ---- nothing is known ---- */

static void test_nothing(void **state)
{
    struct signals *s = make();
    struct said said;
    struct signals_node node;
    (void)state;
    for (int turn = 0; turn < 2; turn++) {
        struct signals_seen seen = over(s, 9.2, 9.8, "0-3", "GPU-0", "mlx5_0");
        assert_int_equal(seen.covered, turn);
        is(seen.steal, NAN);
        is(seen.psi_cpu, NAN);
        is(seen.gpu_throttle, NAN);
        is(seen.gpu_mhz, NAN);
        is(seen.xmit_wait, NAN);
        is(seen.memory_ratio, NAN);
        is(seen.fault_ns, NAN);
        assert_true(seen.link_errors == 0 && !seen.link_why && !seen.gpu_why);
        signals_node(s, 0, &node);
        assert_int_equal(node.seconds, turn);
        is(node.steal_share, NAN);
        is(node.exits_per_second, NAN);
        is(node.exit_ns, NAN);
        is(node.triad_mbytes, NAN);
        is(node.psi_io, NAN);
        is(node.throttled_us, NAN);
        is(node.gpu_throttle_us, NAN);
        is(node.link_errors, NAN);
        say(&said, (10 + (unsigned)turn) * SEC)->m.known = 0;
        add(s, &said);
    }
    assert_false(over(s, 10.5, 11.5, NULL, NULL, NULL).covered);
    assert_false(over(s, 8.5, 9.5, NULL, NULL, NULL).covered);
    assert_false(over(s, 9.5, 9.5, NULL, NULL, NULL).covered);
    signals_destroy(s);
    signals_destroy(NULL);
}

/* ---- shares ---- */

static void test_steal(void **state)
{
    static const struct {
        double from, to;
        const char *cpus;
        double steal;
    } rows[] = {
        {1.0, 2.0, "0", 0.1},      {1.0, 2.0, "2", 0.5},   {1.0, 2.0, NULL, 0.5},
        {1.0, 2.0, "", 0.5},       {1.0, 2.0, "1,3", 0},   {1.0, 2.0, "0-1,3-5", 0.2},
        {1.2, 1.3, "2", 0.5},      {1.0, 3.0, "2", 0.25},  {1.5, 2.5, "4", 0.4},
        {1.0, 3.0, "0-7", 0.5},    {2.0, 3.0, "0-7", 1},   {1.0, 3.0, "2,4", 0.4},
        {1.0, 3.0, "nonsense", 0}, {1.9, 2.9, "6-9", 0.9}, {0.0, 1.0, "0", NAN},
    };
    struct signals *s = make();
    struct said said;
    (void)state;
    say(&said, 2 * SEC)->m.n_steal = 3;
    for (uint32_t i = 0; i < 3; i++)
        said.steal[i].us = (uint64_t[]){100000, 500000, 200000}[i];
    said.m.steal_us = 800000;
    add(s, &said);
    say(&said, 3 * SEC)->m.n_steal = 2;
    said.steal[0] = said.steal[2];
    said.steal[0].us = 600000;
    said.steal[1] = said.steal[3];
    said.steal[1].us = 99000000; /* cut to all of it */
    said.m.steal_us = 1600000;
    add(s, &said);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double should = rows[i].steal,
               got = over(s, rows[i].from, rows[i].to, rows[i].cpus, NULL, NULL).steal;
        /* CPU 6 has lost all of the second interval. */
        if (rows[i].to > 2 && rows[i].cpus && strcmp(rows[i].cpus, "0-7") == 0)
            should = rows[i].from < 2 ? 0.5 : 1;
        if (isnan(should) ? !isnan(got) : fabs(got - should) > 1e-4)
            fail_msg("row %zu: %g, not %g", i, got, should);
    }
    struct signals_node node;
    signals_node(s, 0, &node);
    is(node.steal_share, 2.4 / 8);
    assert_int_equal(node.seconds, 2);
    signals_destroy(s);
}

/* Steal that the node itself says it does not know. */
static void test_steal_not_known(void **state)
{
    struct signals *s = make();
    struct said said;
    (void)state;
    add(s, say(&said, 2 * SEC));
    say(&said, 3 * SEC)->m.n_steal = 1;
    said.steal[0].us = 500000;
    said.m.known = 0;
    add(s, &said);
    is(over(s, 1, 3, NULL, NULL, NULL).steal, 0);
    is(over(s, 2, 3, NULL, NULL, NULL).steal, NAN);
    signals_destroy(s);
}

static void test_pressure(void **state)
{
    struct signals *s = make();
    struct said said;
    struct signals_node node;
    (void)state;
    say(&said, 2 * SEC)->m.psi_cpu_us = 250000;
    said.m.psi_io_us = 5000000;
    said.m.interrupts = 8000;
    said.m.throttled_us = 1000;
    add(s, &said);
    say(&said, 4 * SEC)->m.interval_ns = 2 * SEC; /* credit was short */
    said.m.known &= ~(uint32_t)AOLANI__NODE_SIGNALS__KNOWN__PSI;
    said.m.interrupts = 16000;
    add(s, &said);
    struct signals_seen seen = over(s, 1.9, 3, NULL, NULL, NULL);
    assert_true(seen.covered);
    is(seen.psi_cpu, 0.25);
    is(seen.psi_memory, 0);
    is(seen.psi_io, 1);
    signals_node(s, 0, &node);
    is(node.psi_cpu, 0.25);
    is(node.exits_per_second, 2000);
    is(node.throttled_us, 1000);
    assert_int_equal(node.seconds, 3);
    signals_destroy(s);
}

static void test_gpu(void **state)
{
    struct signals *s = make();
    struct said said;
    (void)state;
    say(&said, 2 * SEC)->m.n_gpus = 2;
    said.gpu[1].power_us = 300000;
    said.gpu[1].heat_us = 100000;
    said.gpu[1].brake_us = -1;
    said.gpu[1].sm_mhz = 1410;
    said.gpu[0].power_us = said.gpu[0].heat_us = said.gpu[0].brake_us =
        said.gpu[0].other_us = said.gpu[0].sm_mhz = -1;
    add(s, &said);
    say(&said, 3 * SEC)->m.n_gpus = 1; /* another order */
    said.gpus[0] = &said.gpu[1];
    said.gpu[1].heat_us = 900000;
    said.gpu[1].power_us = 900000; /* both at once */
    said.gpu[1].sm_mhz = 1200;
    said.gpu[1].pcie_replays = 3;
    said.gpu[1].nvlink_errors = 2;
    add(s, &said);
    struct signals_seen seen = over(s, 1, 2, NULL, "GPU-1", NULL);
    is(seen.gpu_throttle, 0.4);
    is(seen.gpu_mhz, 1410);
    assert_string_equal(seen.gpu_why, "power");
    assert_true(seen.link_errors == 0 && !seen.link_why);
    seen = over(s, 1, 3, NULL, "GPU-1", NULL);
    is(seen.gpu_throttle, 0.7);
    is(seen.gpu_mhz, 1200);
    assert_int_equal(seen.link_errors, 5);
    assert_string_equal(seen.link_why, "PCIe replays");
    seen = over(s, 1, 3, NULL, "GPU-0", NULL);
    is(seen.gpu_throttle, NAN);
    is(seen.gpu_mhz, NAN);
    is(over(s, 1, 3, NULL, "GPU-", NULL).gpu_throttle, NAN);
    is(over(s, 1, 3, NULL, NULL, NULL).gpu_throttle, NAN);
    struct signals_node node;
    signals_node(s, 0, &node);
    is(node.gpu_throttle_us, 1400000);
    is(node.link_errors, 5);
    signals_destroy(s);
}

static void test_nic(void **state)
{
    struct signals *s = make();
    struct said said;
    (void)state;
    for (uint64_t t = 2; t <= 40; t++) {
        say(&said, t * SEC)->m.n_ports = 2;
        said.port[0].xmit_wait = t == 40 ? 3999000 : 999000;
        said.port[1].xmit_wait = -1;
        said.port[0].symbol_errors = t == 39;
        said.port[0].downs = t == 40 ? 2 : -1;
        said.port[0].marks = said.port[0].retransmits = 1000;
        add(s, &said);
        if (t == 5) /* too little to know what is usual */
            is(over(s, 4, 5, NULL, NULL, "mlx5_0").xmit_wait, NAN);
    }
    is(over(s, 38, 38.5, NULL, NULL, "mlx5_0").xmit_wait, 1);
    struct signals_seen seen = over(s, 38, 40, NULL, NULL, "mlx5_0");
    is(seen.xmit_wait, 2.5);
    assert_int_equal(seen.link_errors, 3);
    assert_string_equal(seen.link_why, "link downs");
    assert_string_equal(over(s, 38, 39, NULL, NULL, "mlx5_0").link_why,
                        "symbol errors");
    is(over(s, 39, 40, NULL, NULL, "mlx5_1").xmit_wait, NAN);
    is(over(s, 39, 40, NULL, NULL, "mlx5_01").xmit_wait, NAN);
    signals_destroy(s);
}

/* Steps of large models take half a minute and more; only very many nodes have so little
 * room that the ring has gone round by then. */
static void test_long_steps(void **state)
{
    static const struct {
        uint32_t n_nodes, kept;
    } rows[] = {{1, 64}, {4096, 64}, {8192, 32}, {16384, 16}, {262144, 16}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct signals *s;
        struct said said;
        double kept = rows[i].kept;
        assert_int_equal(signals_create(rows[i].n_nodes, &s), 0);
        for (uint64_t t = 2; t <= 100; t++) {
            say(&said, t * SEC)->m.n_gpus = 1;
            said.gpu[0].pcie_replays = 1;
            add(s, &said);
        }
        struct signals_seen seen = over(s, 100 - kept, 100, NULL, "GPU-0", NULL);
        assert_true(seen.covered);
        assert_int_equal(seen.link_errors, rows[i].kept);
        assert_false(over(s, 99 - kept, 100, NULL, NULL, NULL).covered);
        signals_destroy(s);
    }
}

/* A port of which nothing is known just now says nothing of the other. */
static void test_nic_of_two_ports(void **state)
{
    struct signals *s = make();
    struct said said;
    (void)state;
    for (uint64_t t = 2; t <= 40; t++) {
        say(&said, t * SEC)->m.n_ports = 2;
        said.port[1].nic = "mlx5_0";
        said.port[1].port = 2;
        said.port[0].xmit_wait = t == 40 ? 3999000 : 999000;
        said.port[1].xmit_wait = t == 40 ? -1 : 999000;
        add(s, &said);
    }
    is(over(s, 39, 40, NULL, NULL, "mlx5_0").xmit_wait, 4);
    signals_destroy(s);
}

/* ---- PCI links ---- */

static void test_links(void **state)
{
    static const struct {
        const char *said, *gpu, *nic; /* what the GPU and the NIC are told then */
    } rows[] = {
        {"", NULL, NULL},
        {"0000:18:00.0 x16 -> x8", "0000:18:00.0 x16 -> x8", NULL},
        {"", "0000:18:00.0 x16 -> x8", NULL},
        {"0000:18:00.0 x8 -> x4", "0000:18:00.0 x16 -> x4", NULL},
        {"0000:18:00.0 x4 -> x8", "0000:18:00.0 x16 -> x8", NULL},
        {"0000:19:00.0 32.0 GT/s -> 2.5 GT/s", "0000:18:00.0 x16 -> x8",
         "0000:19:00.0 32.0 GT/s -> 2.5 GT/s"},
        {"0000:18:00.0 x8 -> x16", NULL, "0000:19:00.0 32.0 GT/s -> 2.5 GT/s"},
        {"0000:19:00.0 2.5 GT/s -> 32.0 GT/s", NULL, NULL},
        {"0000:20:00.0 x16 -> x1", NULL, NULL}, /* somebody else's */
        {"0000:19:00.0 x8 -> x16", NULL, NULL}, /* better than ever */
    };
    struct signals *s = make();
    struct said said;
    (void)state;
    assert_int_equal(signals_locate(s, 0, "GPU-0", "0000:18:00.0"), 0);
    assert_int_equal(signals_locate(s, 0, "mlx5_0", "0000:19:00.0"), 0);
    assert_int_equal(signals_locate(s, 7, "mlx5_0", "0000:19:00.0"), -EINVAL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        say(&said, (2 + i) * SEC)->m.n_links = rows[i].said[0] ? 1 : 0;
        snprintf(said.link[0], sizeof said.link[0], "%s", rows[i].said);
        add(s, &said);
        struct signals_seen gpu = over(s, (double)i + 1, (double)i + 2, NULL, "GPU-0",
                                       NULL),
                            nic = over(s, (double)i + 1, (double)i + 2, NULL, "GPU-7",
                                       "mlx5_0");
        assert_string_equal(gpu.link_why ? gpu.link_why : "-",
                            rows[i].gpu ? rows[i].gpu : "-");
        assert_string_equal(nic.link_why ? nic.link_why : "-",
                            rows[i].nic ? rows[i].nic : "-");
        assert_int_equal(gpu.link_errors, rows[i].gpu != NULL);
    }
    signals_destroy(s);
}

/* Nobody has said where anything is. */
static void test_link_of_any(void **state)
{
    struct signals *s = make();
    struct said said;
    (void)state;
    say(&said, 2 * SEC)->m.n_links = 1;
    strcpy(said.link[0], "0000:20:00.0 x16 -> x1");
    add(s, &said);
    assert_non_null(over(s, 1, 2, NULL, "GPU-0", NULL).link_why);
    assert_null(over(s, 1, 2, NULL, NULL, NULL).link_why);
    assert_null(over(s, 0, 1, NULL, "GPU-0", NULL).link_why); /* not yet */
    signals_destroy(s);
}

/* ---- probes ---- */

static void test_probes(void **state)
{
    struct signals *s = make();
    struct said said;
    struct signals_node node;
    (void)state;
    for (uint64_t t = 1; t <= 5; t++) {
        say(&said, t * 60 * SEC)->m.probe = &said.probe;
        said.probe.triad_mbytes = t < 5 ? 10000 : 6000;
        said.probe.exit_ns = t == 1 ? 0 : 800;
        said.probe.fault_ns = 500 + t;
        add(s, &said);
        if (t == 2)
            is(over(s, 119, 120, NULL, NULL, NULL).memory_ratio, NAN);
        if (t == 4)
            is(over(s, 239, 240, NULL, NULL, NULL).memory_ratio, 1);
    }
    is(over(s, 299, 300, NULL, NULL, NULL).memory_ratio, 0.6);
    is(over(s, 400, 401, NULL, NULL, NULL).memory_ratio, 0.6);
    is(over(s, 481, 482, NULL, NULL, NULL).memory_ratio, NAN);
    is(over(s, 299, 300, NULL, NULL, NULL).fault_ns, 505);
    signals_node(s, 0, &node);
    is(node.triad_mbytes, 10000);
    is(node.triad_lowest, 6000);
    is(node.exit_ns, 800);
    is(node.fault_ns, 503);
    signals_destroy(s);
}

/* ---- what is not believed ---- */

static char long_name[LIMIT_DEVICE_NAME + 2], long_words_[LIMIT_FAULT_TEXT + 2];

#define REFUSED(name, ...)           \
    static void name(struct said *s) \
    {                                \
        __VA_ARGS__;                 \
    }

REFUSED(no_interval, s->m.interval_ns = 0)
REFUSED(days, s->m.t_ns = 90000 * SEC * 2; s->m.interval_ns = 90000 * SEC)
REFUSED(before_boot, s->m.interval_ns = s->m.t_ns + 1)
REFUSED(again, s->m.t_ns = 10 * SEC)
REFUSED(back, s->m.t_ns = 9 * SEC)
REFUSED(cpu_off, s->m.n_steal = 1; s->steal[0].cpu = LIMIT_CPUS)
REFUSED(cpu_twice, s->m.n_steal = 2; s->steal[1].cpu = 0)
REFUSED(many_cpus, s->m.cpus = LIMIT_CPUS + 1)
REFUSED(many_steals, s->m.n_steal = LIMIT_SIGNALS_CPUS + 1)
REFUSED(many_gpus, s->m.n_gpus = LIMIT_SIGNALS_GPUS + 1)
REFUSED(many_ports, s->m.n_ports = LIMIT_SIGNALS_PORTS + 1)
REFUSED(many_links, s->m.n_links = LIMIT_SIGNALS_PORTS + 1)
REFUSED(storm, s->m.interrupts = 1ull << 40)
REFUSED(soft_storm, s->m.softirqs = UINT64_MAX)
REFUSED(no_uuid, s->m.n_gpus = 1; s->gpu[0].uuid = "")
REFUSED(long_uuid, s->m.n_gpus = 1; s->gpu[0].uuid = long_name)
REFUSED(less_than_none, s->m.n_gpus = 2; s->gpu[1].heat_us = -2)
REFUSED(replays, s->m.n_gpus = 1; s->gpu[0].pcie_replays = INT64_MAX)
REFUSED(mhz, s->m.n_gpus = 1; s->gpu[0].sm_mhz = 1 << 20)
REFUSED(no_nic, s->m.n_ports = 1; s->port[0].nic = "")
REFUSED(wait, s->m.n_ports = 1; s->port[0].xmit_wait = INT64_MIN)
REFUSED(no_link, s->m.n_links = 1)
REFUSED(half_link, s->m.n_links = 1; strcpy(s->link[0], "0000:18:00.0 x16 -> "))
REFUSED(long_link, s->m.n_links = 1; memset(s->link[0], 'a', 190);
        memcpy(s->link[0] + 20, " x16 -> x8", 10))
REFUSED(triad, s->m.probe = &s->probe; s->probe.triad_mbytes = UINT64_MAX)
REFUSED(slow_fault, s->m.probe = &s->probe; s->probe.fault_ns = UINT64_MAX)

static Aolani__GpuFault *fault(struct said *s)
{
    static Aolani__GpuFault f, *faults[LIMIT_FAULTS + 1];
    aolani__gpu_fault__init(&f);
    for (size_t i = 0; i <= LIMIT_FAULTS; i++)
        faults[i] = &f;
    f.bus_id = "0000:3b:00.0";
    f.n = 1;
    s->m.faults = faults;
    s->m.n_faults = 1;
    return &f;
}

REFUSED(joules, s->m.n_gpus = 1; s->gpu[0].energy_mj = INT64_MAX)
REFUSED(many_faults, fault(s); s->m.n_faults = LIMIT_FAULTS + 1)
REFUSED(no_bus, fault(s)->bus_id = "")
REFUSED(long_bus, fault(s)->bus_id = long_name)
REFUSED(odd_bus, fault(s)->bus_id = "0000:3b\033")
REFUSED(long_words, fault(s)->text = long_words_)
REFUSED(odd_words, fault(s)->text = "\033[31m")
REFUSED(no_times, fault(s)->n = 0)
REFUSED(all_times, fault(s)->n = UINT64_MAX)

static const struct {
    void (*spoil)(struct said *s);
    int code;
    const char *text;
} refused[] = {
    {no_interval, ERR_PROTO, "an interval of 0 ns that ends at 11000000000"},
    {days, ERR_PROTO, "an interval of 90000000000000 ns"},
    {before_boot, ERR_PROTO, "an interval of 11000000001 ns"},
    {again, ERR_PROTO, "time goes back from 10000000000 ns to 10000000000"},
    {back, ERR_PROTO, "time goes back from 10000000000 ns to 9000000000"},
    {cpu_off, ERR_PROTO, "steal of CPU 8192"},
    {cpu_twice, ERR_PROTO, "steal of CPU 0 after CPU 0"},
    {many_cpus, ERR_LIMIT, "8193 CPUs are more than 8192"},
    {many_steals, ERR_LIMIT, "8193 CPUs with steal are more than 8192"},
    {many_gpus, ERR_LIMIT, "257 GPUs are more than 256"},
    {many_ports, ERR_LIMIT, "513 ports are more than 512"},
    {many_links, ERR_LIMIT, "513 changed links are more than 512"},
    {storm, ERR_PROTO, "1099511627776 interrupts in 1000000000 ns"},
    {soft_storm, ERR_PROTO, "interrupts in 1000000000 ns"},
    {no_uuid, ERR_PROTO, "a GPU with a name of 0 bytes"},
    {long_uuid, ERR_PROTO, "a GPU with a name of 129 bytes or more"},
    {less_than_none, ERR_PROTO, "a count of -2 for \"GPU-1\""},
    {replays, ERR_PROTO, "for \"GPU-0\""},
    {mhz, ERR_PROTO, "1048576 MHz of GPU \"GPU-0\""},
    {no_nic, ERR_PROTO, "a NIC with a name of 0 bytes"},
    {wait, ERR_PROTO, "for \"mlx5_0\""},
    {no_link, ERR_PROTO, "a changed link \"\""},
    {half_link, ERR_PROTO, "a changed link \"0000:18:00.0 x16 -> \""},
    {long_link, ERR_PROTO, "a changed link"},
    {triad, ERR_PROTO, "a probe of 18446744073709551615 MB/s"},
    {slow_fault, ERR_PROTO, "18446744073709551615 ns"},
    {joules, ERR_PROTO, "for \"GPU-0\""},
    {many_faults, ERR_LIMIT, "65 errors of GPUs are more than 64"},
    {no_bus, ERR_PROTO, "an error of a GPU without a place"},
    {long_bus, ERR_PROTO, "an error of a GPU without a place"},
    {odd_bus, ERR_PROTO, "an error of a GPU without a place"},
    {long_words, ERR_PROTO, "an error of a GPU in no words"},
    {odd_words, ERR_PROTO, "an error of a GPU in no words"},
    {no_times, ERR_PROTO, ": 0 errors of a GPU"},
    {all_times, ERR_PROTO, "18446744073709551615 errors of a GPU"},
};

static void test_refused(void **state)
{
    struct signals *s = make();
    struct said said;
    struct err e;
    (void)state;
    memset(long_name, 'x', sizeof long_name - 1);
    memset(long_words_, 'x', sizeof long_words_ - 1);
    add(s, say(&said, 10 * SEC));
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        refused[i].spoil(say(&said, 11 * SEC));
        int rc = signals_add(s, 0, &said.m, &e);
        if (rc != refused[i].code || !strstr(e.text, refused[i].text))
            fail_msg("row %zu: %d, \"%s\"", i, rc, e.text);
        assert_int_equal(e.code, rc);
    }
    assert_int_equal(signals_add(s, 2, &say(&said, 11 * SEC)->m, &e), ERR_PROTO);
    struct signals_node node;
    signals_node(s, 0, &node);
    assert_int_equal(node.seconds, 1);
    add(s, say(&said, 11 * SEC)); /* and it goes on */
    signals_destroy(s);
}

/* Of the whole run: means over time, what was highest and lowest, sums of what was known. */
static void test_gpus_of_the_run(void **state)
{
    struct signals *s = make();
    struct said said;
    struct signals_gpu g;
    (void)state;
    assert_int_equal(signals_n_gpus(s, 0), 0);
    assert_int_equal(signals_n_gpus(s, 2), 0);
    say(&said, 2 * SEC)->m.n_gpus = 2;
    said.gpu[0].sm_mhz = said.gpu[0].celsius = said.gpu[0].mem_celsius = -1;
    said.gpu[0].energy_mj = said.gpu[0].ecc_errors = said.gpu[0].reasons = -1;
    said.gpu[0].milliwatts = said.gpu[0].sm_max_mhz = -1;
    said.gpu[1].energy_mj = 300000;
    said.gpu[1].milliwatts = 320000;
    said.gpu[1].celsius = 60;
    said.gpu[1].sm_mhz = 1980;
    said.gpu[1].ecc_errors = -1;
    said.gpu[1].reasons = GPU_REASON_POWER;
    add(s, &said);
    say(&said, 5 * SEC)->m.n_gpus = 2;
    said.m.interval_ns = 3 * SEC;
    said.gpu[0] = said.gpu[1];
    said.gpu[0].uuid = "GPU-0";
    said.gpu[0].celsius = said.gpu[0].sm_mhz = -1;
    said.gpu[1].energy_mj = 2100000;
    said.gpu[1].milliwatts = 690000;
    said.gpu[1].celsius = 80;
    said.gpu[1].mem_celsius = 91;
    said.gpu[1].sm_mhz = 1410;
    said.gpu[1].heat_us = 400000;
    said.gpu[1].ecc_errors = 2;
    said.gpu[1].reasons = 0x20;
    add(s, &said);
    assert_int_equal(signals_n_gpus(s, 0), 2);
    signals_gpu(s, 0, 1, &g);
    assert_string_equal(g.uuid, "GPU-1");
    is(g.seconds, 4);
    is(g.watts, 600);
    is(g.watts_most, 690);
    is(g.celsius, 75);
    is(g.celsius_most, 80);
    is(g.mem_celsius_most, 91);
    is(g.sm_mhz_least, 1410);
    is(g.heat_us, 400000);
    is(g.ecc_errors, 2);
    assert_int_equal(g.reasons, 0x24);
    signals_gpu(s, 0, 0, &g);
    assert_true(isnan(g.celsius) && isnan(g.celsius_most) && isnan(g.sm_mhz_least));
    signals_destroy(s);
}

/* A node that gives its devices ever new names. */
static void test_ever_new_names(void **state)
{
    struct signals *s = make();
    struct said said;
    struct err e;
    char name[32];
    int rc = 0;
    (void)state;
    for (uint64_t i = 0; i < LIMIT_SIGNALS_GPUS + 1; i++) {
        snprintf(name, sizeof name, "GPU-%d", (int)i);
        say(&said, (2 + i) * SEC)->m.n_gpus = 1;
        said.gpu[0].uuid = name;
        assert_int_equal(rc, 0);
        rc = signals_add(s, 0, &said.m, &e);
    }
    assert_int_equal(rc, ERR_LIMIT);
    for (uint64_t i = 0; i < 200; i++) {
        say(&said, (1000 + i) * SEC)->m.n_links = 1;
        snprintf(said.link[0], sizeof said.link[0], "%04d:18:00.0 x16 -> x8", (int)i);
        add(s, &said);
    }
    signals_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_steal),
        cmocka_unit_test(test_steal_not_known),
        cmocka_unit_test(test_pressure),
        cmocka_unit_test(test_gpu),
        cmocka_unit_test(test_nic),
        cmocka_unit_test(test_long_steps),
        cmocka_unit_test(test_nic_of_two_ports),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_link_of_any),
        cmocka_unit_test(test_probes),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_gpus_of_the_run),
        cmocka_unit_test(test_ever_new_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
