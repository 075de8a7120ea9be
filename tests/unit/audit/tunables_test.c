/* SPDX-License-Identifier: MIT */
/* Which parameters can be set, for root and for a normal user, on machines that never were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/lib/machine_case.h"

#define N_IDS  15u
#define USER   MACHINE_TREE_USER
#define LOCKED "facts errno-write EROFS proc/sys\nfacts errno-write EROFS sys\n"
#define MAPPED "/proc/self/uid_map 0 1000 1|\nfacts errno-write EACCES proc\n"
#define KERNEL "/proc/sys/kernel/"
#define VM     "/proc/sys/vm/"
#define NET    "/proc/sys/net/"
#define HUGE   "/sys/kernel/mm/transparent_hugepage/"
#define CPUS   "/sys/devices/system/cpu/"
#define NIC    "/sys/class/net/eth0/device/"
#define HCA    "/sys/class/infiniband/mlx5_0/device/"

/* All as it should be, with two CPUs near the HCA and two far from it. */
#define METAL                                                                         \
    "facts call fifo 0\nfacts call hugepage 0\nfacts call cpu-dma-latency 0\n" KERNEL \
    "numa_balancing 0|\n" KERNEL "sched_rt_runtime_us 950000|\n" KERNEL               \
    "nmi_watchdog 0|\n" KERNEL "perf_event_paranoid 1|\n" KERNEL                      \
    "modules_disabled 0|\n" VM "nr_hugepages 16|\n" VM "swappiness 10|\n" VM          \
    "zone_reclaim_mode 0|\n/proc/swaps Filename Type|/dev/a partition|\n" HUGE        \
    "enabled always [madvise] never|\n" HUGE                                          \
    "defrag always defer defer+madvise [madvise] never|\n" CPUS                       \
    "cpufreq/policy0/scaling_governor performance|\n" CPUS                            \
    "cpufreq/policy1/scaling_governor performance|\n" CPUS                            \
    "cpuidle/current_driver intel_idle|\n" CPUS                                       \
    "cpu0/cpuidle/state0/name POLL|\n" CPUS "cpu0/cpuidle/state0/latency 0|\n" CPUS   \
    "cpu0/cpuidle/state1/name C6|\n" CPUS "cpu0/cpuidle/state1/latency 170|\n" CPUS   \
    "isolated |\n" CPUS "nohz_full (null)|\n/proc/irq/40/smp_affinity_list 0-1|\n"    \
    "/proc/irq/40/effective_affinity_list 1|\n"                                       \
    "/proc/irq/41/smp_affinity_list 0-3|\n"                                           \
    "/proc/irq/41/effective_affinity_list 0|\n" HCA "msi_irqs/40 msix|\n" HCA         \
    "msi_irqs/41 msix|\n" HCA "local_cpulist 0-1|\n" NET "core/rmem_max 1|\n" NET     \
    "core/wmem_max 2|\n" NET "ipv4/tcp_rmem 4096\t131072\t6291456|\n" NET             \
    "ipv4/tcp_wmem 3|\n" NET "ipv4/ip_local_port_range 32768\t60999|\n"               \
    "/proc/self/limits Limit Soft|Max locked memory         unlimited  unlimited  "   \
    "bytes|\n"                                                                        \
    "/proc/self/status Name: a|CapEff:\t000001ffffffffff|\n"                          \
    "dir /sys/module/nvidia\ndir /sys/module/nvidia_peermem\n"                        \
    "/proc/self/uid_map 0 0 4294967295|\n"

static const struct machine_case cases[] = {
    {"metal", AUDIT_KP1, "", AUDIT_PASS, "0; can be set", 0},
    {"user", AUDIT_KP1, USER, AUDIT_UNKNOWN, "0; not to be set by this user", "root"},
    {"not as wanted", AUDIT_KP1, KERNEL "numa_balancing 1|\n", AUDIT_WARN,
     "1, wanted 0; can be set", 0},
    {"not as wanted, user", AUDIT_KP1, USER KERNEL "numa_balancing 1|\n", AUDIT_WARN,
     "1, wanted 0; not to be set by this user", "root"},
    {"locked", AUDIT_KP1, LOCKED, AUDIT_FAIL, "cannot be set, though by root", 0},
    {"locked, user", AUDIT_KP1, "facts uid 1000\n" LOCKED, AUDIT_FAIL,
     "cannot be set, by root either", 0},
    {"root without the right", AUDIT_KP1, "facts errno-write EACCES proc/sys\n",
     AUDIT_FAIL, "cannot be set, though by root", 0},
    {"root of a user namespace", AUDIT_KP1, MAPPED, AUDIT_UNKNOWN,
     "not to be set by this user", "root of the machine itself"},
    {"a failure of another kind", AUDIT_KP1, "facts errno-write EIO proc/sys\n",
     AUDIT_UNKNOWN, "0; whether it can be set was not tried", 0},
    {"not in the kernel", AUDIT_KP1, "gone " KERNEL "numa_balancing\n", AUDIT_PASS,
     "moves no memory", 0},
    {"no parameters at all", AUDIT_KP1, "gone /proc/sys\n", AUDIT_UNKNOWN,
     "there is no /proc/sys", 0},
    {"hidden", AUDIT_KP1, "facts errno EACCES proc/sys/kernel\n", AUDIT_UNKNOWN,
     "cannot be read", "root"},
    {"no number", AUDIT_KP1, KERNEL "numa_balancing x|\n", AUDIT_UNKNOWN,
     "cannot be read", 0},

    {"metal", AUDIT_KP2, "", AUDIT_PASS, "madvise; can be set", 0},
    {"user", AUDIT_KP2, USER, AUDIT_UNKNOWN, "madvise", "root"},
    {"never", AUDIT_KP2, HUGE "enabled always madvise [never]|\n", AUDIT_WARN,
     "never, wanted madvise or always", 0},
    {"locked", AUDIT_KP2, LOCKED, AUDIT_FAIL, "madvise; cannot be set", 0},
    {"none", AUDIT_KP2, "gone " HUGE "\n", AUDIT_WARN, "not there", 0},
    {"nonsense", AUDIT_KP2, HUGE "enabled always|\n", AUDIT_UNKNOWN, "not understood",
     0},
    {"half", AUDIT_KP2, HUGE "enabled [alw|\n", AUDIT_UNKNOWN, "not understood", 0},

    {"metal", AUDIT_KP3, "", AUDIT_PASS, "madvise; can be set", 0},
    {"user", AUDIT_KP3, USER, AUDIT_UNKNOWN, "madvise", "root"},
    {"always", AUDIT_KP3, HUGE "defrag [always] defer|\n", AUDIT_WARN,
     "any fault may wait", 0},
    {"locked", AUDIT_KP3, LOCKED, AUDIT_FAIL, "cannot be set", 0},

    {"metal", AUDIT_KP4, "", AUDIT_PASS, "16 set aside, one can be mapped", 0},
    {"none, not forbidden", AUDIT_KP4,
     VM "nr_hugepages 0|\nfacts call hugepage ENOMEM\n", AUDIT_PASS,
     "0 set aside; can be set", 0},
    {"all taken", AUDIT_KP4, "facts call hugepage ENOMEM\n", AUDIT_PASS,
     "16 set aside, none of them free", 0},
    {"forbidden", AUDIT_KP4, "facts call hugepage EPERM\n", AUDIT_WARN, "forbidden", 0},
    {"user", AUDIT_KP4, USER, AUDIT_UNKNOWN, "16 set aside", "root"},
    {"locked", AUDIT_KP4, LOCKED, AUDIT_FAIL, "cannot be set", 0},
    {"not in the kernel", AUDIT_KP4, "gone " VM "nr_hugepages\n", AUDIT_WARN,
     "not there", 0},

    {"metal", AUDIT_KP5, "", AUDIT_PASS, "10; can be set", 0},
    {"eager", AUDIT_KP5, VM "swappiness 60|\n", AUDIT_WARN, "60, wanted 0 to 10", 0},
    {"eager, with nothing to swap to", AUDIT_KP5,
     VM "swappiness 60|\n/proc/swaps Filename Type|\n", AUDIT_PASS,
     "60, but there is no swap", 0},
    {"user", AUDIT_KP5, USER, AUDIT_UNKNOWN, "10", "root"},
    {"locked", AUDIT_KP5, LOCKED, AUDIT_FAIL, "cannot be set", 0},

    {"metal", AUDIT_KP6, "", AUDIT_PASS, "0; can be set", 0},
    {"reclaims", AUDIT_KP6, VM "zone_reclaim_mode 1|\n", AUDIT_WARN, "1, wanted 0", 0},
    {"one node", AUDIT_KP6, "gone " VM "zone_reclaim_mode\n", AUDIT_PASS,
     "one NUMA node alone", 0},
    {"user", AUDIT_KP6, USER, AUDIT_UNKNOWN, "0", "root"},

    {"metal", AUDIT_KP7, "", AUDIT_PASS, "SCHED_FIFO allowed; its share of a second",
     0},
    {"user", AUDIT_KP7, USER "facts call fifo EPERM\n", AUDIT_UNKNOWN,
     "SCHED_FIFO not allowed", "root"},
    {"root without the right", AUDIT_KP7, "facts call fifo EPERM\n", AUDIT_FAIL,
     "SCHED_FIFO not allowed", 0},
    {"without end", AUDIT_KP7, KERNEL "sched_rt_runtime_us -1|\n", AUDIT_PASS,
     "of a second: all;", 0},
    {"nothing known", AUDIT_KP7,
     "gone " KERNEL "sched_rt_runtime_us\nfacts call fifo ENOSYS\n", AUDIT_UNKNOWN,
     "neither readable nor tried", 0},

    {"metal", AUDIT_KP8, "", AUDIT_PASS, "performance on 2; can be set", 0},
    {"one saves power", AUDIT_KP8, CPUS "cpufreq/policy1/scaling_governor powersave|\n",
     AUDIT_WARN, "performance on 1, powersave on 1, wanted performance", 0},
    {"the CPU itself chooses", AUDIT_KP8,
     CPUS "cpufreq/policy1/scaling_governor powersave|\n" CPUS
          "cpufreq/policy1/energy_performance_preference performance|\n",
     AUDIT_PASS, "performance on 1, powersave on 1; can be set", 0},
    {"each another", AUDIT_KP8,
     CPUS "cpufreq/policy1/scaling_governor a|\n" CPUS
          "cpufreq/policy2/scaling_governor b|\n" CPUS
          "cpufreq/policy3/scaling_governor c|\n" CPUS
          "cpufreq/policy4/scaling_governor d|\n" CPUS
          "cpufreq/policy5/scaling_governor e|\n",
     AUDIT_WARN, "c on 1, others on 2, wanted performance", 0},
    {"per CPU", AUDIT_KP8,
     "gone " CPUS "cpufreq\n" CPUS "cpu0/cpufreq/scaling_governor performance|\n" CPUS
     "cpuidle/x/cpufreq/scaling_governor powersave|\n",
     AUDIT_PASS, "performance on 1;", 0},
    {"a guest", AUDIT_KP8, "gone " CPUS "cpufreq\n", AUDIT_FAIL,
     "a hypervisor or the firmware keeps it", 0},
    {"user", AUDIT_KP8, USER, AUDIT_UNKNOWN, "performance on 2", "root"},
    {"locked", AUDIT_KP8, LOCKED, AUDIT_FAIL, "cannot be set", 0},
    {"nothing to see", AUDIT_KP8, "gone /sys/devices\n", AUDIT_UNKNOWN, "there is no",
     0},

    {"metal", AUDIT_KP9, "", AUDIT_PASS,
     "driver intel_idle, deepest C6: 170 us to wake; can be set", 0},
    {"deep sleep is off", AUDIT_KP9, CPUS "cpu0/cpuidle/state1/disable 1|\n",
     AUDIT_PASS, "deepest POLL: 0 us", 0},
    {"a guest", AUDIT_KP9, CPUS "cpuidle/current_driver none|\n", AUDIT_WARN,
     "no driver", 0},
    {"no device to ask by", AUDIT_KP9, "facts call cpu-dma-latency ENOENT\n",
     AUDIT_UNKNOWN, "was not tried", 0},
    {"user", AUDIT_KP9, USER "facts call cpu-dma-latency EACCES\n", AUDIT_UNKNOWN,
     "driver intel_idle", "root"},
    {"root without the right", AUDIT_KP9, "facts call cpu-dma-latency EPERM\n",
     AUDIT_FAIL, "cannot be set", 0},

    {"metal", AUDIT_KP10, "", AUDIT_PASS, "isolated: none; without ticks: none", 0},
    {"isolated", AUDIT_KP10, CPUS "isolated 2-7|\n" CPUS "nohz_full 2-7|\n", AUDIT_PASS,
     "isolated: 2-7; without ticks: 2-7", 0},
    {"not to be seen", AUDIT_KP10, "gone " CPUS "isolated\n", AUDIT_UNKNOWN,
     "cannot be read", 0},

    {"metal", AUDIT_KP11, "", AUDIT_PASS,
     "2 interrupts of 1 NIC, all to CPUs near them", 0},
    {"far", AUDIT_KP11, "/proc/irq/41/effective_affinity_list 3|\n", AUDIT_WARN,
     "1 of 2 interrupts of NICs go to CPUs far from the card (mlx5_0)", 0},
    {"where it may go counts where nothing else is known", AUDIT_KP11,
     "gone /proc/irq/41/effective_affinity_list\n", AUDIT_WARN, "1 of 2", 0},
    {"a card that is near to none", AUDIT_KP11, "gone " HCA "local_cpulist\n",
     AUDIT_PASS, "2 interrupts", 0},
    {"nonsense", AUDIT_KP11,
     "/proc/irq/41/effective_affinity_list 0-x|\n" HCA
     "local_cpulist 0-99999999999999999999|\n",
     AUDIT_PASS, "2 interrupts", 0},
    {"ethernet", AUDIT_KP11,
     "gone /sys/class/infiniband\n" NIC "msi_irqs/40 msix|\n" NIC
     "local_cpulist 2-3|\n",
     AUDIT_WARN, "(eth0)", 0},
    {"a virtio device", AUDIT_KP11,
     "gone /sys/class/infiniband\ndir /sys/devices/pci/virtio0\n"
     "/sys/devices/pci/msi_irqs/40 msix|\n/sys/devices/pci/local_cpulist 0-3|\n"
     "dir /sys/class/net/eth0\nlink /sys/class/net/eth0/device "
     "/sys/devices/pci/virtio0\n",
     AUDIT_PASS, "1 interrupt of 1 NIC,", 0},
    {"no card", AUDIT_KP11, "gone /sys/class\n", AUDIT_PASS, "no NIC has interrupts",
     0},
    {"no interrupts", AUDIT_KP11, "gone /sys/class\ngone /proc/irq\n", AUDIT_UNKNOWN,
     "no interrupt is to be seen", 0},
    {"user", AUDIT_KP11, USER, AUDIT_UNKNOWN, "2 interrupts", "root"},
    {"locked", AUDIT_KP11, "facts errno-write EROFS proc/irq\n", AUDIT_FAIL,
     "cannot be set", 0},

    {"metal", AUDIT_KP12, "", AUDIT_PASS,
     "rmem_max 1, wmem_max 2, tcp_rmem 4096 131072 6291456, tcp_wmem 3, "
     "ip_local_port_range 32768 60999; can be set",
     0},
    {"not the machine's network", AUDIT_KP12, "gone " NET "core\n", AUDIT_WARN,
     "2 more not there", 0},
    {"not the machine's network, newer", AUDIT_KP12,
     "facts errno-write EACCES proc/sys/net/core\n", AUDIT_WARN,
     "net.core is the machine's own, the rest; can be set", 0},
    {"all of it locked", AUDIT_KP12, "facts errno-write EACCES proc/sys/net\n",
     AUDIT_FAIL, "cannot be set", 0},
    {"user", AUDIT_KP12, USER, AUDIT_UNKNOWN, "rmem_max 1", "root"},
    {"one locked", AUDIT_KP12, "facts errno-write EROFS proc/sys/net/ipv4/tcp_wmem\n",
     AUDIT_FAIL, "cannot be set", 0},
    {"none", AUDIT_KP12, "gone /proc/sys\n", AUDIT_UNKNOWN, "none of them can be read",
     0},
    {"hidden", AUDIT_KP12, "facts errno EACCES proc/sys/net\n", AUDIT_UNKNOWN,
     "none of them can be read", "root"},

    {"metal", AUDIT_KP13, "", AUDIT_PASS, "unlimited", 0},
    {"little, for users", AUDIT_KP13,
     "/proc/self/limits Max locked memory  8388608 8388608 bytes|\n", AUDIT_WARN,
     "8388608 bytes, which hold for any but root; 1 HCA", 0},
    {"little, as a user", AUDIT_KP13,
     "/proc/self/limits Max locked memory  65536 65536 bytes|\n"
     "/proc/self/status Name: a|CapEff:\t0000000000000000|\n",
     AUDIT_FAIL, "65536 bytes: memory for 1 HCA", 0},
    {"little, and nothing needs more", AUDIT_KP13,
     "gone /sys/class/infiniband\n"
     "/proc/self/limits Max locked memory  65536 65536 bytes|\n",
     AUDIT_PASS, "there is no HCA that needs more", 0},
    {"no limits", AUDIT_KP13, "gone /proc/self/limits\n", AUDIT_UNKNOWN,
     "cannot be read", 0},

    {"metal", AUDIT_KP14, "", AUDIT_PASS, "nmi_watchdog 0, perf_event_paranoid 1", 0},
    {"watched", AUDIT_KP14, KERNEL "nmi_watchdog 1|\n", AUDIT_WARN,
     "nmi_watchdog 1 (wanted 0)", 0},
    {"counters for root alone", AUDIT_KP14, KERNEL "perf_event_paranoid 2|\n",
     AUDIT_WARN, "perf_event_paranoid 2 (wanted 1 or less); can be set", 0},
    {"no watchdog in this CPU", AUDIT_KP14,
     "facts errno-write EACCES proc/sys/kernel/nmi_watchdog\n", AUDIT_PASS,
     "nmi_watchdog 0", 0},
    {"a watchdog that stays", AUDIT_KP14,
     KERNEL "nmi_watchdog 1|\nfacts errno-write EACCES proc/sys/kernel/nmi_watchdog\n",
     AUDIT_FAIL, "cannot be set", 0},
    {"no watchdog in the kernel", AUDIT_KP14, "gone " KERNEL "nmi_watchdog\n",
     AUDIT_PASS, "nmi_watchdog not there", 0},
    {"user", AUDIT_KP14, USER, AUDIT_UNKNOWN, "nmi_watchdog 0", "root"},
    {"none", AUDIT_KP14, "gone /proc/sys\n", AUDIT_UNKNOWN, "cannot be read", 0},

    {"metal", AUDIT_KP15, "", AUDIT_PASS,
     "nvidia_peermem is loaded; modules can be loaded", 0},
    {"switched off", AUDIT_KP15, KERNEL "modules_disabled 1|\n", AUDIT_FAIL,
     "switched off until the next start", 0},
    {"user", AUDIT_KP15,
     USER "gone /sys/module/nvidia_peermem\n/proc/self/status a|CapEff:\t0|\n",
     AUDIT_UNKNOWN, "nvidia_peermem is not loaded; not to be loaded", "root"},
    {"user, and there already", AUDIT_KP15, USER "/proc/self/status a|CapEff:\t0|\n",
     AUDIT_PASS, "nvidia_peermem is loaded", 0},
    {"root without the right", AUDIT_KP15,
     "gone /sys/module\n/proc/self/status a|CapEff:\t0|\n", AUDIT_UNKNOWN,
     "no nvidia driver", "CAP_SYS_MODULE"},
    {"a kernel without modules", AUDIT_KP15, "gone " KERNEL "modules_disabled\n",
     AUDIT_PASS, "the kernel loads no modules", 0},
    {"hidden", AUDIT_KP15, "facts errno EACCES proc/sys/kernel/modules_disabled\n",
     AUDIT_UNKNOWN, "whether others can be is not told", "root"},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        machine_case_check(look_tunables, N_IDS, METAL, &cases[i]);
}

static void verdicts(const char *base, const char *rows, unsigned ret[AUDIT_VERDICTS])
{
    struct machine_tree t;
    struct machine *m;
    struct findings f;
    struct err e = {0};
    machine_tree_make(&t, base, rows);
    assert_int_equal(machine_open(t.dir, &m, &e), 0);
    findings_init(&f);
    look_tunables(m, &f);
    assert_non_null(f.m);
    for (size_t i = 0; i < f.m->n_findings; i++)
        ret[f.m->findings[i]->verdict]++;
    findings_fini(&f);
    machine_close(m);
    machine_tree_end(&t);
}

/* Nothing fails, or warns, because a normal user looks. */
static void test_user(void **state)
{
    unsigned n[AUDIT_VERDICTS] = {0};
    (void)state;
    verdicts(METAL,
             USER "facts call fifo EPERM\nfacts call cpu-dma-latency EACCES\n"
                  "/proc/self/status a|CapEff:\t0|\n",
             n);
    assert_int_equal(n[AUDIT_FAIL] + n[AUDIT_WARN], 0);
    assert_true(n[AUDIT_UNKNOWN] > 10);
}

static void test_root(void **state)
{
    unsigned n[AUDIT_VERDICTS] = {0};
    (void)state;
    verdicts(METAL, "", n);
    assert_int_equal(n[AUDIT_PASS], N_IDS);
}

/* An empty machine: nothing can be said of it, and nothing is held against it. */
static void test_nothing(void **state)
{
    unsigned n[AUDIT_VERDICTS] = {0};
    (void)state;
    verdicts("", "", n);
    assert_int_equal(n[AUDIT_FAIL], 0);
}

static void test_this_machine(void **state)
{
    (void)state;
    machine_case_live(look_tunables, N_IDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),        cmocka_unit_test(test_user),
        cmocka_unit_test(test_root),         cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
