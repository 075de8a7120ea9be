/* SPDX-License-Identifier: MIT */
/* What is noted of a probe, however long and unprintable; and machines whose every file is
 * nonsense, of which something is to be said all the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "agent/audit/findings.h"
#include "tests/lib/machine_tree.h"

#define SEEDS 60u

static void test_texts(void **state)
{
    struct findings f;
    char longest[FINDING_TEXT + 1], longer[2 * FINDING_TEXT];
    (void)state;
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    memset(longer, 'b', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    findings_init(&f);
    found_more(&f, "of nothing");
    found_value(&f, "of nothing");
    found(&f, AUDIT_HV1, AUDIT_PASS, "here", "%s", longest);
    found(&f, AUDIT_HV2, AUDIT_UNKNOWN, "there", "%s", longer);
    found_more(&f, "%s", "root\n\x1b[31m");
    found_value(&f, "first");
    found_value(&f, "second");
    assert_non_null(f.m);
    assert_int_equal(f.m->n_findings, 2);
    assert_string_equal(f.m->findings[0]->id, "HV1");
    assert_string_equal(f.m->findings[0]->evidence, longest);
    assert_string_equal(f.m->findings[0]->more, "");
    const Aolani__AuditFinding *a = f.m->findings[1];
    assert_int_equal(strlen(a->evidence), FINDING_TEXT);
    assert_string_equal(a->evidence + FINDING_TEXT - 4, "b...");
    assert_null(strpbrk(a->more, "\n\x1b"));
    assert_string_equal(a->value, "second");
    assert_string_equal(a->source, "there");
    Aolani__AuditFindings *taken = findings_take(&f);
    assert_null(f.m);
    found(&f, AUDIT_HV3, AUDIT_PASS, "", "of a list that is gone");
    assert_null(f.m);
    aolani__audit_findings__free_unpacked(taken, NULL);
    findings_fini(&f);
}

/* ---- nonsense */

static const char *const files[] = {
    "proc/cpuinfo",
    "proc/stat",
    "proc/interrupts",
    "proc/swaps",
    "proc/1/environ",
    "proc/1/cgroup",
    "proc/2/comm",
    "proc/self/uid_map",
    "proc/self/limits",
    "proc/self/status",
    "proc/xen/capabilities",
    "proc/device-tree/compatible",
    "proc/irq/7/smp_affinity_list",
    "proc/irq/7/effective_affinity_list",
    "proc/sys/kernel/numa_balancing",
    "proc/sys/kernel/perf_event_paranoid",
    "proc/sys/kernel/nmi_watchdog",
    "proc/sys/kernel/modules_disabled",
    "proc/sys/kernel/sched_rt_runtime_us",
    "proc/sys/vm/nr_hugepages",
    "proc/sys/vm/swappiness",
    "proc/sys/net/core/rmem_max",
    "proc/sys/net/ipv4/tcp_rmem",
    "run/systemd/container",
    "sys/hypervisor/type",
    "sys/hypervisor/properties/features",
    "sys/class/dmi/id/product_name",
    "sys/class/dmi/id/sys_vendor",
    "sys/firmware/dmi/entries/0-0/raw",
    "sys/firmware/acpi/tables/FACP",
    "sys/class/infiniband/mlx5_0/device/msi_irqs/7",
    "sys/class/infiniband/mlx5_0/device/local_cpulist",
    "sys/bus/pci/devices/0000:00:01.0/vendor",
    "sys/bus/pci/devices/0000:00:01.0/device",
    "sys/kernel/mm/transparent_hugepage/enabled",
    "sys/kernel/mm/transparent_hugepage/defrag",
    "sys/devices/system/clocksource/clocksource0/current_clocksource",
    "sys/devices/system/clocksource/clocksource0/available_clocksource",
    "sys/devices/system/cpu/cpufreq/policy0/scaling_governor",
    "sys/devices/system/cpu/cpuidle/current_driver",
    "sys/devices/system/cpu/cpu0/cpuidle/state0/latency",
    "sys/devices/system/cpu/cpu0/cpuidle/state0/name",
    "sys/devices/system/cpu/isolated",
    "sys/devices/system/cpu/intel_pstate/no_turbo",
    "sys/devices/system/cpu/smt/active",
};

static unsigned next(uint64_t *seed, unsigned most)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(*seed >> 33) % most;
}

/* Bytes of any kind, or pieces of what is expected there in an order of their own. */
static void nonsense(FILE *f, uint64_t *seed)
{
    static const char *const parts[] = {"[",           "]",
                                        "-",           ",",
                                        "0",           "1",
                                        "4294967295",  "99999999999999999999",
                                        "\n",          " ",
                                        "\t",          ":",
                                        "flags",       "HYP:",
                                        "cpu ",        "container=",
                                        "CapEff:",     "Max locked memory",
                                        "0x",          "always",
                                        "KVM",         "tsc",
                                        "performance", "unlimited",
                                        "1-3",         "2-1"};
    unsigned n = next(seed, next(seed, 4) ? 40 : 6000), bytes = next(seed, 3);
    for (unsigned i = 0; i < n; i++) {
        if (bytes == 0)
            (void)fputc((int)next(seed, 256), f);
        else
            (void)fputs(parts[next(seed, sizeof parts / sizeof *parts)], f);
    }
}

static void machine_make(struct machine_tree *t, uint64_t *seed)
{
    char rows[8192] = "", full[PATH_MAX];
    for (unsigned i = 0; i < 40; i++) {
        static const uint32_t leaves[] = {
            0,    1,          6,          7,          10,         0x15,
            0x16, 0x40000000, 0x40000001, 0x40000100, 0x80000000, 0x80000007};
        size_t at = strlen(rows);
        (void)snprintf(rows + at, sizeof rows - at, "facts cpuid %x 0 %x %x %x %x\n",
                       leaves[next(seed, sizeof leaves / sizeof *leaves)],
                       next(seed, 0x7fffffff) << next(seed, 2), next(seed, 0x7fffffff),
                       next(seed, 0x7fffffff) << next(seed, 2), next(seed, 0x7fffffff));
    }
    machine_tree_make(t, rows, next(seed, 2) ? "facts uid 1000\n" : "");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (!next(seed, 8))
            continue;
        tree_put(t->dir, files[i], "");
        (void)snprintf(full, sizeof full, "%s/%s", t->dir, files[i]);
        FILE *f = fopen(full, "w");
        assert_non_null(f);
        nonsense(f, seed);
        assert_int_equal(fclose(f), 0);
    }
}

static void test_nonsense(void **state)
{
    static const look_f looks[] = {look_hypervisor, look_timers, look_tunables};
    (void)state;
    for (uint64_t at = 1; at <= SEEDS; at++) {
        struct machine_tree t;
        struct machine *m;
        struct findings f;
        struct err e = {0};
        uint64_t seed = at;
        machine_make(&t, &seed);
        if (machine_open(t.dir, &m, &e) < 0)
            fail_msg("seed %u: %s", (unsigned)at, e.text);
        findings_init(&f);
        for (size_t i = 0; i < sizeof looks / sizeof *looks; i++)
            looks[i](m, &f);
        assert_non_null(f.m);
        assert_int_equal(f.m->n_findings, 13 + 3 + 15);
        for (size_t i = 0; i < f.m->n_findings; i++)
            assert_true(f.m->findings[i]->evidence[0]);
        findings_fini(&f);
        machine_close(m);
        machine_tree_end(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
