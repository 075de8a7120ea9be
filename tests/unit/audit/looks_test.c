/* SPDX-License-Identifier: MIT */
/* Every probe says one thing on any machine: on this one, on one of which nothing is known,
 * and on one whose files hold nonsense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "agent/audit/looks.h"
#include "tests/lib/tree.h"

static char dir[64];

static int setup(void **state)
{
    (void)state;
    (void)strcpy(dir, "/tmp/aolani-looks-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    char command[128];
    (void)state;
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static Aolani__AuditFindings *look(const char *root, char *const *skip, size_t n_skip,
                                   looks_progress progress, void *arg)
{
    struct machine *m;
    Aolani__AuditFindings *found = NULL;
    struct err e = {0};
    if (machine_open(root, &m, &e) < 0)
        fail_msg("%s", e.text);
    assert_int_equal(looks_run(m, skip, n_skip, progress, arg, &found, &e), 0);
    machine_close(m);
    return found;
}

static const Aolani__AuditFinding *one(const Aolani__AuditFindings *f, const char *id)
{
    for (size_t i = 0; i < f->n_findings; i++)
        if (!strcmp(f->findings[i]->id, id))
            return f->findings[i];
    return NULL;
}

static void check_all_there(const Aolani__AuditFindings *f)
{
    for (int p = 0; p < AUDIT_N_PROBES; p++) {
        const char *id = audit_probe_info((enum audit_probe)p)->id;
        const Aolani__AuditFinding *a = one(f, id);
        if (!a)
            fail_msg("%s says nothing", id);
        if (a->verdict >= AUDIT_VERDICTS || !a->evidence[0] || !a->source[0])
            fail_msg("%s: verdict %u, \"%s\" from \"%s\"", id, a->verdict, a->evidence,
                     a->source);
    }
    assert_int_equal(f->n_findings, AUDIT_N_PROBES);
}

static void test_this_machine(void **state)
{
    (void)state;
    Aolani__AuditFindings *f = look(NULL, NULL, 0, NULL, NULL);
    check_all_there(f);
    assert_int_equal(f->uid, geteuid());
    aolani__audit_findings__free_unpacked(f, NULL);
}

/* Nothing to be seen proves nothing. */
static void test_nothing_is_known(void **state)
{
    (void)state;
    tree_put(dir, "facts", "uid 1000\n");
    Aolani__AuditFindings *f = look(dir, NULL, 0, NULL, NULL);
    check_all_there(f);
    assert_int_equal(f->uid, 1000);
    for (size_t i = 0; i < f->n_findings; i++)
        if (f->findings[i]->verdict == AUDIT_FAIL)
            fail_msg("%s fails: %s", f->findings[i]->id, f->findings[i]->evidence);
    aolani__audit_findings__free_unpacked(f, NULL);
}

static void test_nonsense(void **state)
{
    static const char *const paths[] = {
        "proc/cpuinfo",
        "proc/stat",
        "proc/self/status",
        "proc/self/limits",
        "proc/self/uid_map",
        "proc/1/cgroup",
        "proc/2/comm",
        "proc/interrupts",
        "proc/cmdline",
        "proc/swaps",
        "proc/irq/7/smp_affinity_list",
        "proc/sys/vm/swappiness",
        "proc/sys/vm/nr_hugepages",
        "proc/sys/kernel/numa_balancing",
        "proc/sys/kernel/perf_event_paranoid",
        "proc/sys/kernel/sched_rt_runtime_us",
        "proc/sys/kernel/modules_disabled",
        "proc/sys/net/core/rmem_max",
        "proc/driver/nvidia/version",
        "sys/class/dmi/id/product_name",
        "sys/firmware/dmi/entries/0-0/raw",
        "sys/firmware/acpi/tables/FACP",
        "sys/hypervisor/type",
        "sys/devices/system/node/online",
        "sys/devices/system/node/node0/distance",
        "sys/devices/system/cpu/online",
        "sys/devices/system/cpu/isolated",
        "sys/devices/system/cpu/smt/active",
        "sys/devices/system/cpu/cpu0/topology/thread_siblings_list",
        "sys/devices/system/cpu/cpu0/cpuidle/state0/latency",
        "sys/devices/system/cpu/cpuidle/current_driver",
        "sys/devices/system/cpu/cpufreq/policy0/scaling_governor",
        "sys/devices/system/clocksource/clocksource0/available_clocksource",
        "sys/devices/system/clocksource/clocksource0/current_clocksource",
        "sys/kernel/mm/transparent_hugepage/enabled",
        "sys/kernel/mm/transparent_hugepage/defrag",
        "sys/kernel/iommu_groups/0/type",
        "sys/module/pcie_aspm/parameters/policy",
        "sys/bus/pci/devices/0000:00:01.0/class",
        "sys/bus/pci/devices/0000:00:01.0/vendor",
        "sys/bus/pci/devices/0000:00:01.0/config",
        "sys/bus/pci/devices/no-address/class",
        "sys/class/infiniband/mlx5_0/ports/1/state",
        "sys/class/infiniband/mlx5_0/ports/1/rate",
        "sys/class/infiniband/mlx5_0/ports/1/gids/0",
        "sys/class/infiniband/mlx5_0/ports/x/link_layer",
    };
    static const char *const texts[] = {
        "",
        "\n",
        "\xff\xfe\x1b[31m \x80",
        "-1",
        "99999999999999999999999999",
        "0-99999999,",
        "%s%n [[[ ]]] always [",
        "CapEff:\nCpus_allowed_list:\nMax locked memory\ncpu  \nHYP:",
    };
    (void)state;
    for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
        for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
            tree_put(dir, paths[i], texts[t]);
        tree_put(dir, "sys/bus/pci/devices/0000:01:00.0/class", "0x030200\n");
        tree_put(dir, "sys/bus/pci/devices/0000:01:00.0/vendor", "0x10de\n");
        tree_put(dir, "sys/bus/pci/devices/0000:01:00.0/numa_node", texts[t]);
        tree_put(dir, "sys/bus/pci/devices/0000:01:00.0/local_cpulist", texts[t]);
        tree_put(dir, "sys/bus/pci/devices/0000:01:00.0/config", texts[t]);
        tree_put(dir, "sys/bus/pci/devices/0000:01:00.0/max_link_speed", texts[t]);
        Aolani__AuditFindings *f = look(dir, NULL, 0, NULL, NULL);
        check_all_there(f);
        for (size_t i = 0; i < f->n_findings; i++)
            for (const char *at = f->findings[i]->evidence; *at; at++)
                assert_true((unsigned char)*at >= 0x20);
        aolani__audit_findings__free_unpacked(f, NULL);
    }
}

struct heard {
    unsigned n, last;
    bool gpus;
};

static void on_progress(void *arg, const char *what, unsigned percent)
{
    struct heard *h = arg;
    h->n++;
    assert_true(percent >= h->last && percent < 100);
    h->last = percent;
    h->gpus |= strstr(what, "GPU") != NULL;
}

/* One that is left out is not among the findings; a part with nothing left is not looked at:
 * a driver that hangs can be passed by. */
static void test_skip(void **state)
{
    char *skip[] = {(char *)"HV4", (char *)"no-such", (char *)"HV13", (char *)"PC7",
                    (char *)"GP1", (char *)"GP2",     (char *)"GP3",  (char *)"GP4",
                    (char *)"GP5", (char *)"GP6",     (char *)"GP7",  (char *)"GP8",
                    (char *)"GP9"};
    struct heard h = {0};
    (void)state;
    Aolani__AuditFindings *f = look(dir, skip, 13, on_progress, &h);
    assert_int_equal(f->n_findings, AUDIT_N_PROBES - 12);
    assert_null(one(f, "HV4"));
    assert_null(one(f, "GP9"));
    assert_non_null(one(f, "GP10"));
    assert_int_equal(h.n, 7);
    assert_true(h.gpus);
    aolani__audit_findings__free_unpacked(f, NULL);

    skip[1] = (char *)"GP10";
    h = (struct heard){0};
    f = look(dir, skip, 13, on_progress, &h);
    assert_int_equal(f->n_findings, AUDIT_N_PROBES - 13);
    assert_int_equal(h.n, 6);
    assert_false(h.gpus);
    aolani__audit_findings__free_unpacked(f, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_this_machine),
        cmocka_unit_test_setup_teardown(test_nothing_is_known, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nonsense, setup, teardown),
        cmocka_unit_test_setup_teardown(test_skip, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
