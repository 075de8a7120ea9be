/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "agent/audit/measure_kernel.h"
#include "tests/lib/tree.h"

static void forget(const char *dir)
{
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf -- '%s'", dir);
    assert_int_equal(system(command), 0);
}

static void test_stat(void **state)
{
    (void)state;
    struct measure_kernel k;
    assert_int_equal(measure_kernel_init(&k), 0);
    measure_kernel_stat(&k, "cpu  100 20 3 1000 0 5 6 7 0 0\n"
                            "cpu0 50 10 1 500 0 2 3 4 0 0\n"
                            "cpu12 50 10 2 500 0 3 3 3 0 0\n"
                            "intr 12345 1 2\n"
                            "cpu1 1 1 1 1 1 1 1 99\n");
    assert_true(k.has_stat);
    assert_int_equal(k.busy, 123);
    assert_int_equal(k.steal[0], 4);
    assert_int_equal(k.steal[12], 3);
    assert_int_equal(k.steal[1], 0);
    measure_kernel_fini(&k);
    measure_kernel_fini(&k);
}

static void test_stat_that_is_broken(void **state)
{
    (void)state;
    static const char *const table[] = {
        "",
        "cpu",
        "cpu0",
        "cpu  \n",
        "cpu0 1 2 3\n", /* of a kernel without steal */
        "cpu0 1 2 3 4 5 6 7 x\n",
        "cpux 1 2 3 4 5 6 7 8\n",
        "intr 1 2 3\n",
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct measure_kernel k;
        assert_int_equal(measure_kernel_init(&k), 0);
        measure_kernel_stat(&k, table[i]);
        if (k.has_stat)
            fail_msg("\"%s\" was taken", table[i]);
        measure_kernel_fini(&k);
    }
    struct measure_kernel k;
    assert_int_equal(measure_kernel_init(&k), 0);
    measure_kernel_stat(&k,
                        "cpu99999 1 2 3 4 5 6 7 8\n"); /* beyond what there can be */
    measure_kernel_fini(&k);
}

static void test_interrupts(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        uint64_t all[4], timer[4];
    } table[] = {
        {"x86",
         "           CPU0       CPU1       \n"
         "  0:         10          0  IO-APIC   2-edge      timer\n"
         " 24:          1          2  IO-APIC   5-edge      eth0\n"
         "LOC:       1000       2000   Local timer interrupts\n"
         "RES:          5          6   Rescheduling interrupts\n"
         "ERR:         77\n"
         "MIS:         88\n",
         {1016, 2008},
         {1000, 2000}},
        {"CPU 1 is offline",
         "            CPU0       CPU2       CPU3       \n"
         "LOC:          1          2          3   Local timer interrupts\n",
         {1, 0, 2, 3},
         {1, 0, 2, 3}},
        {"arm",
         "           CPU0       CPU1       \n"
         " 11:        100        200     GICv3  27 Level     arch_timer\n"
         "IPI0:         3          4       Rescheduling interrupts\n",
         {103, 204},
         {100, 200}},
        {"a guest of Hyper-V",
         "           CPU0       CPU1       \n"
         "HVS:        100        200   Hyper-V stimer0 interrupts\n"
         "LOC:          1          2   Local timer interrupts\n",
         {101, 202},
         {101, 202}},
        {"a row for all CPUs", "    CPU0  CPU1\n NMI:  7\n", {7, 0}, {0}},
        {"no columns", "\n 24: 1 2 eth0\n", {0}, {0}},
        {"columns that are cut", "   CPU0  CPU\n 24: 1 2 eth0\n", {1, 0}, {0}},
        {"no numbers", "   CPU0\n 24: eth0\n x\n\n", {0}, {0}},
        {"numbers that go on behind the columns", "   CPU0\n 24: 1 2 3\n", {1}, {0}},
        {"the last line does not end", "   CPU0\n LOC: 5", {5}, {5}},
        {"a CPU beyond what there can be", "  CPU0 CPU99999\n LOC: 5 6\n", {5}, {5}},
        {"nothing", "", {0}, {0}},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct measure_kernel k;
        assert_int_equal(measure_kernel_init(&k), 0);
        measure_kernel_interrupts(&k, table[i].text);
        for (size_t c = 0; c < 4; c++)
            if (k.interrupts[c] != table[i].all[c] || k.timer[c] != table[i].timer[c])
                fail_msg("%s: CPU %zu: %llu and %llu", table[i].name, c,
                         (unsigned long long)k.interrupts[c],
                         (unsigned long long)k.timer[c]);
        measure_kernel_fini(&k);
    }
}

/* A long row must not be taken for the beginning of the next. */
static void test_look_at_a_tree(void **state)
{
    (void)state;
    char dir[] = "/tmp/aolani-kernel-XXXXXX", line[160 * 1024];
    struct machine *m;
    struct measure_kernel k;
    assert_non_null(mkdtemp(dir));
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    static const char head[] = "   CPU0\n  1: 4 ", tail[] = "\nLOC: 9\n";
    memcpy(line, head, sizeof head - 1);
    memcpy(line + sizeof line - sizeof tail, tail, sizeof tail - 1);
    tree_put(dir, "proc/interrupts", line);
    assert_int_equal(machine_open(dir, &m, NULL), 0);
    assert_int_equal(measure_kernel_init(&k), 0);
    measure_kernel_look(&k, m);
    assert_false(k.has_stat);
    assert_true(k.has_interrupts);
    assert_int_equal(k.interrupts[0], 13);
    assert_int_equal(k.timer[0], 9);
    char *cut = measure_kernel_text(m, "/proc/interrupts", 100);
    assert_non_null(cut);
    assert_int_equal(strlen(cut), 99);
    free(cut);
    assert_null(measure_kernel_text(m, "/proc/stat", 100));
    measure_kernel_fini(&k);
    machine_close(m);
    forget(dir);
}

static void test_steal_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *name, *facts;
        bool told;
    } table[] = {
        {"not x86", "", false},
        {"no hypervisor: nobody steals", "cpuid 1 0 0 0 0 0\n", true},
        {"KVM that tells",
         "cpuid 1 0 0 0 80000000 0\n"
         "cpuid 40000000 0 40000001 4b4d564b 564b4d56 4d\n"
         "cpuid 40000001 0 20 0 0 0\n",
         true},
        {"KVM that does not",
         "cpuid 1 0 0 0 80000000 0\n"
         "cpuid 40000000 0 40000001 4b4d564b 564b4d56 4d\n"
         "cpuid 40000001 0 1 0 0 0\n",
         false},
        {"KVM below what pretends to be Hyper-V",
         "cpuid 1 0 0 0 80000000 0\n"
         "cpuid 40000000 0 40000082 7263694d 666f736f 76482074\n"
         "cpuid 40000100 0 40000101 4b4d564b 564b4d56 4d\n"
         "cpuid 40000101 0 20 0 0 0\n",
         true},
        {"Xen",
         "cpuid 1 0 0 0 80000000 0\n"
         "cpuid 40000000 0 40000005 566e6558 65584d4d 4d4d566e\n",
         true},
        {"one that says nothing",
         "cpuid 1 0 0 0 80000000 0\ncpuid 40000000 0 0 0 0 0\n", false},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char dir[] = "/tmp/aolani-steal-XXXXXX";
        struct machine *m;
        struct err e;
        assert_non_null(mkdtemp(dir));
        tree_put(dir, "facts", table[i].facts);
        if (machine_open(dir, &m, &e) < 0)
            fail_msg("%s: %s", table[i].name, e.text);
        if (measure_kernel_steal_is_told(m) != table[i].told)
            fail_msg("%s", table[i].name);
        machine_close(m);
        forget(dir);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stat),
        cmocka_unit_test(test_stat_that_is_broken),
        cmocka_unit_test(test_interrupts),
        cmocka_unit_test(test_look_at_a_tree),
        cmocka_unit_test(test_steal_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
