/* SPDX-License-Identifier: MIT */
/* What is said of clocks and of the speed of cores, on machines that never were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/lib/machine_case.h"

#define N_IDS     3u
#define CLOCKS    "/sys/devices/system/clocksource/clocksource0/"
#define AVAILABLE CLOCKS "available_clocksource "
#define CURRENT   CLOCKS "current_clocksource "
#define CPUS      "/sys/devices/system/cpu/"

#define METAL                                                             \
    "facts cpuid 80000000 0 80000008 0 0 0\n"                             \
    "facts cpuid 80000007 0 0 0 0 100\n"                                  \
    "facts number clock-ns 21\n" AVAILABLE "tsc hpet acpi_pm |\n" CURRENT \
    "tsc|\n" CPUS "intel_pstate/no_turbo 0|\n" CPUS "smt/active 1|\n"

static const struct machine_case on_metal[] = {
    {"metal", AUDIT_TM1, "", AUDIT_PASS, "constant, and does not stop", 0},
    {"as a user", AUDIT_TM1, MACHINE_TREE_USER, AUDIT_PASS, "constant", 0},
    {"a rate that changes", AUDIT_TM1, "facts cpuid 80000007 0 0 0 0 0\n", AUDIT_WARN,
     "may change its rate", 0},
    {"a CPU without that leaf", AUDIT_TM1, "facts cpuid 80000000 0 80000001 0 0 0\n",
     AUDIT_WARN, "may change its rate", 0},
    {"given up", AUDIT_TM1, AVAILABLE "hpet acpi_pm|\n", AUDIT_FAIL,
     "gave it up as unstable (\"hpet acpi_pm\" is left)", 0},
    {"early tsc is not tsc", AUDIT_TM1, AVAILABLE "hpet tsc-early|\n", AUDIT_FAIL,
     "gave it up", 0},
    {"its clocks cannot be seen", AUDIT_TM1, "gone /sys/devices/system/clocksource\n",
     AUDIT_PASS, "constant", 0},

    {"metal", AUDIT_TM2, "", AUDIT_PASS, "\"tsc\", 21 ns to read", 0},
    {"as a user", AUDIT_TM2, MACHINE_TREE_USER, AUDIT_PASS, "\"tsc\"", 0},
    {"dear", AUDIT_TM2, "facts number clock-ns 400\n", AUDIT_WARN,
     "\"tsc\", 400 ns to read: not read in user space", 0},
    {"of kvm", AUDIT_TM2, CURRENT "kvm-clock|\n", AUDIT_WARN, "\"kvm-clock\", 21 ns",
     0},
    {"of a board", AUDIT_TM2, CURRENT "hpet|\nfacts number clock-ns 900\n", AUDIT_FAIL,
     "\"hpet\", 900 ns to read: each reading is a way to a device", 0},
    {"of acpi", AUDIT_TM2, CURRENT "acpi_pm|\n", AUDIT_FAIL, "acpi_pm", 0},
    {"none", AUDIT_TM2, "gone /sys/devices/system/clocksource\n", AUDIT_UNKNOWN,
     "cannot be read", 0},
    {"hidden", AUDIT_TM2, "facts errno EACCES sys/devices/system/clocksource\n",
     AUDIT_UNKNOWN, "cannot be read", "root"},

    {"metal", AUDIT_TM3, "", AUDIT_PASS, "boost on, hardware threads on", 0},
    {"off", AUDIT_TM3, CPUS "intel_pstate/no_turbo 1|\n" CPUS "smt/active 0|\n",
     AUDIT_WARN, "boost off, hardware threads off", 0},
    {"amd", AUDIT_TM3, "gone " CPUS "intel_pstate\n" CPUS "cpufreq/boost 1|\n",
     AUDIT_PASS, "boost on", 0},
    {"amd, off", AUDIT_TM3, "gone " CPUS "intel_pstate\n" CPUS "cpufreq/boost 0|\n",
     AUDIT_WARN, "boost off", 0},
    {"a guest", AUDIT_TM3, "gone " CPUS "intel_pstate\n", AUDIT_UNKNOWN,
     "boost not told, hardware threads on", "a cpufreq driver, which guests have not"},
    {"a driver that tells no boost", AUDIT_TM3,
     "gone " CPUS "intel_pstate\n" CPUS
     "cpufreq/policy0/scaling_governor performance|\n",
     AUDIT_UNKNOWN, "boost not told", 0},
    {"no number", AUDIT_TM3, CPUS "intel_pstate/no_turbo maybe|\n", AUDIT_UNKNOWN,
     "boost not told", "a cpufreq driver, which guests have not"},
};

static const struct machine_case elsewhere[] = {
    {"nothing", AUDIT_TM1, "", AUDIT_UNKNOWN, "not an x86 CPU", 0},
    {"arm", AUDIT_TM1, AVAILABLE "arch_sys_counter |\n", AUDIT_PASS,
     "constant by its architecture", 0},
    {"power", AUDIT_TM1, AVAILABLE "timebase|\n", AUDIT_PASS, "by its architecture", 0},
    {"x86 by its flags", AUDIT_TM1, "/proc/cpuinfo flags : constant_tsc nonstop_tsc|\n",
     AUDIT_PASS, "constant", 0},
    {"x86 by half of them", AUDIT_TM1, "/proc/cpuinfo flags : constant_tsc|\n",
     AUDIT_WARN, "may change its rate", 0},
    {"arm", AUDIT_TM2, CURRENT "arch_sys_counter|\n", AUDIT_PASS,
     "\"arch_sys_counter\"", 0},
    {"nothing", AUDIT_TM3, "", AUDIT_UNKNOWN, "hardware threads not told",
     "a cpufreq driver, which guests have not"},
};

static void test_metal(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof on_metal / sizeof *on_metal; i++)
        machine_case_check(look_timers, N_IDS, METAL, &on_metal[i]);
}

static void test_no_cpuid(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
        machine_case_check(look_timers, N_IDS, "", &elsewhere[i]);
}

static void test_this_machine(void **state)
{
    (void)state;
    machine_case_live(look_timers, N_IDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metal),
        cmocka_unit_test(test_no_cpuid),
        cmocka_unit_test(test_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
