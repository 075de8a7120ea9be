/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/lib/pci_look.h"

/* A GPU and a NIC at ports of their own, on a machine of two nodes with two CPUs each. */
#define PORT "pci0000:00/0000:00:01.0"
#define NODE(n, cpus, distance)                        \
    "/sys/devices/system/node/node" n "/cpulist " cpus \
    "\n/sys/devices/system/node/node" n "/distance " distance "\n"
#define ONLINE(nodes) "/sys/devices/system/node/online " nodes "\n"
#define TWO           ONLINE("0-1") NODE("0", "0-1", "10 21") NODE("1", "2-3", "21 10")
#define ONE           ONLINE("0") NODE("0", "0-3", "10")
#define DEVICES(gpu, nic)                                                           \
    PORT " 060400 8086 352a\n" PORT "/0000:01:00.0 030200 10de 2330 " gpu "\n" PORT \
         "/0000:02:00.0 020700 15b3 1021 " nic "\n"
#define NO_GPU PORT " 060400 8086 352a\n"
#define AT(n)  "numa_node=" n

static void check(const struct pci_look_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        pci_look_check(&rows[i], look_numa);
}
#define CHECK(rows) check(rows, sizeof(rows) / sizeof *(rows))

static void test_devices(void **state)
{
    (void)state;
    static const struct pci_look_row rows[] = {
        {"said", PCI_TREE_METAL TWO DEVICES(AT("0"), AT("1")), NULL, AUDIT_NU1,
         AUDIT_PASS, "of 2 nodes: gpus 0, nics 1", NULL},
        {"said to a guest", PCI_TREE_GUEST TWO DEVICES(AT("0"), AT("1")), NULL,
         AUDIT_NU1, AUDIT_PASS, "gpus 0, nics 1", NULL},
        {"not said, of two nodes", PCI_TREE_METAL TWO DEVICES(AT("-1"), AT("1")), NULL,
         AUDIT_NU1, AUDIT_FAIL, "-1 for 0000:01:00.0 (2 nodes)", NULL},
        {"not said, of one node", PCI_TREE_METAL ONE DEVICES(AT("-1"), AT("-1")), NULL,
         AUDIT_NU1, AUDIT_WARN,
         "-1 for 0000:01:00.0, 0000:02:00.0, on a machine of one", NULL},
        {"not said to a guest of one node",
         PCI_TREE_GUEST ONE DEVICES(AT("-1"), AT("0")), NULL, AUDIT_NU1, AUDIT_FAIL,
         "-1 for 0000:01:00.0 (1 node)", NULL},
        {"a node that is not there", PCI_TREE_METAL TWO DEVICES(AT("7"), AT("1")), NULL,
         AUDIT_NU1, AUDIT_FAIL, "not there: 0000:01:00.0 7", NULL},
        {"nonsense", PCI_TREE_METAL TWO DEVICES(AT("-2"), AT("99999999")), NULL,
         AUDIT_NU1, AUDIT_FAIL, "0000:01:00.0 -2, 0000:02:00.0 99999999", NULL},
        {"a kernel without", PCI_TREE_METAL DEVICES("", ""), NULL, AUDIT_NU1,
         AUDIT_UNKNOWN, "shows no numa", NULL},
        {"one not to be read", PCI_TREE_METAL TWO DEVICES(AT("0"), ""), NULL, AUDIT_NU1,
         AUDIT_UNKNOWN, "not to be read for 0000:02:00.0", NULL},
        {"neither gpu nor nic", PCI_TREE_METAL ONE NO_GPU, NULL, AUDIT_NU1,
         AUDIT_UNKNOWN, "no gpu and no nic on pci (1 node)", NULL},
        {"no pci", PCI_TREE_METAL ONE, NULL, AUDIT_NU1, AUDIT_UNKNOWN,
         "no gpu and no nic", NULL},
    };
    CHECK(rows);
}

static void test_distances(void **state)
{
    (void)state;
    static const struct pci_look_row rows[] = {
        {"two", PCI_TREE_METAL TWO, NULL, AUDIT_NU2, AUDIT_PASS, "2 nodes, 21 to 21",
         NULL},
        {"with a hole",
         PCI_TREE_METAL ONLINE("0,8") NODE("0", "0", "10 40") NODE("8", "1", "40 10"),
         NULL, AUDIT_NU2, AUDIT_PASS, "2 nodes, 40 to 40", NULL},
        {"made up",
         PCI_TREE_GUEST ONLINE("0-1") NODE("0", "0", "10 10") NODE("1", "1", "10 10"),
         NULL, AUDIT_NU2, AUDIT_FAIL, "as near as 10", NULL},
        {"nearer than oneself",
         PCI_TREE_METAL ONLINE("0-1") NODE("0", "0", "10 9") NODE("1", "1", "21 10"),
         NULL, AUDIT_NU2, AUDIT_FAIL, "as near as 9", NULL},
        {"lopsided",
         PCI_TREE_METAL ONLINE("0-1") NODE("0", "0", "10 21") NODE("1", "1", "32 10"),
         NULL, AUDIT_NU2, AUDIT_WARN, "1 pair farther", NULL},
        {"one", PCI_TREE_METAL ONE, NULL, AUDIT_NU2, AUDIT_PASS, "one node", NULL},
        {"one, in a guest", PCI_TREE_GUEST ONE, NULL, AUDIT_NU2, AUDIT_UNKNOWN,
         "its host may have more", NULL},
        {"too few",
         PCI_TREE_METAL ONLINE("0-1") NODE("0", "0", "10") NODE("1", "1", "10 20"),
         NULL, AUDIT_NU2, AUDIT_UNKNOWN, "Invalid argument", NULL},
        {"too many", PCI_TREE_METAL ONLINE("0") NODE("0", "0", "10 20 30"), NULL,
         AUDIT_NU2, AUDIT_UNKNOWN, "Invalid argument", NULL},
        {"no numbers", PCI_TREE_METAL ONLINE("0") NODE("0", "0", "ten"), NULL,
         AUDIT_NU2, AUDIT_UNKNOWN, "Invalid argument", NULL},
        {"more nodes than a kernel has", PCI_TREE_METAL ONLINE("0-8191"), NULL,
         AUDIT_NU2, AUDIT_UNKNOWN, "cannot be read", NULL},
        {"not allowed", PCI_TREE_METAL TWO,
         "facts errno EACCES sys/devices/system/node/node1/distance\n", AUDIT_NU2,
         AUDIT_UNKNOWN, "Permission denied", NULL},
        {"no nodes", PCI_TREE_METAL, NULL, AUDIT_NU2, AUDIT_UNKNOWN, "no numa", NULL},
        {"nonsense for nodes", PCI_TREE_METAL ONLINE("many"), NULL, AUDIT_NU2,
         AUDIT_UNKNOWN, "no numa", NULL},
    };
    CHECK(rows);
}

#define BANDWIDTH(n, v) \
    "/sys/devices/system/node/node" n "/access0/initiators/read_bandwidth " v "\n"

static void test_attributes(void **state)
{
    (void)state;
    static const struct pci_look_row rows[] = {
        {"all", TWO BANDWIDTH("0", "182000") BANDWIDTH("1", "182000"), NULL, AUDIT_NU3,
         AUDIT_PASS, "all 2 nodes", NULL},
        {"none", TWO, NULL, AUDIT_NU3, AUDIT_PASS, "no hmat", NULL},
        {"some", TWO BANDWIDTH("1", "182000"), NULL, AUDIT_NU3, AUDIT_WARN,
         "1 of 2 nodes only", NULL},
        {"memory of a gpu, which no cpu is at",
         PCI_TREE_METAL ONLINE("0-1") NODE("0", "0-71", "10 80") NODE("1", "", "80 10")
             BANDWIDTH("0", "400000"),
         NULL, AUDIT_NU3, AUDIT_PASS, "said of 1 of 2 nodes, all that have cpus", NULL},
        {"nothing at one", TWO BANDWIDTH("0", "0") BANDWIDTH("1", "182000"), NULL,
         AUDIT_NU3, AUDIT_WARN, "no bandwidth at node 0", NULL},
        {"no nodes", PCI_TREE_METAL, NULL, AUDIT_NU3, AUDIT_UNKNOWN, "no numa", NULL},
    };
    CHECK(rows);
}

static void test_placing(void **state)
{
    (void)state;
    static const struct pci_look_row rows[] = {
        {"allowed", TWO "facts call mempolicy 0\n", NULL, AUDIT_NU4, AUDIT_PASS,
         "may be", NULL},
        {"forbidden", TWO "facts call mempolicy EPERM\n", NULL, AUDIT_NU4, AUDIT_FAIL,
         "Operation not permitted", NULL},
        {"something else", TWO "facts call mempolicy EINVAL\n", NULL, AUDIT_NU4,
         AUDIT_UNKNOWN, "Invalid argument", NULL},
        {"not recorded", TWO, NULL, AUDIT_NU4, AUDIT_UNKNOWN, "not recorded", NULL},
    };
    CHECK(rows);
}

#define NEAR(cpus) AT("0") " local_cpulist=" cpus
#define ALLOWED(cpus, mems)                                              \
    "/proc/self/status Name: x|Cpus_allowed: f|Cpus_allowed_list: " cpus \
    "|Mems_allowed_list: " mems "|\n"

static void test_near(void **state)
{
    (void)state;
    static const struct pci_look_row rows[] = {
        {"all", TWO DEVICES(NEAR("0-1"), AT("1")), ALLOWED("0-3", "0-1"), AUDIT_NU5,
         AUDIT_PASS, "all cpus near 1 gpu", NULL},
        {"none", TWO DEVICES(NEAR("0-1"), AT("1")), ALLOWED("2-3", "0-1"), AUDIT_NU5,
         AUDIT_FAIL, "no near cpu may be used for 0000:01:00.0 (near: 0-1)", NULL},
        {"some", TWO DEVICES(NEAR("0-1"), AT("1")), ALLOWED("1-3", "0-1"), AUDIT_NU5,
         AUDIT_WARN, "0000:01:00.0 1 of 2", NULL},
        {"no memory", TWO DEVICES(NEAR("0-1"), AT("1")), ALLOWED("0-3", "1"), AUDIT_NU5,
         AUDIT_FAIL, "no near memory may be used for 0000:01:00.0 (node 0)", NULL},
        {"no node", TWO DEVICES(AT("-1") " local_cpulist=0-3", AT("1")),
         ALLOWED("0-3", "0-1"), AUDIT_NU5, AUDIT_UNKNOWN, "not said for 1 of 1 gpus",
         NULL},
        {"no list", TWO DEVICES(AT("0"), AT("1")), ALLOWED("0-3", "0-1"), AUDIT_NU5,
         AUDIT_UNKNOWN, "not said for 1 of 1 gpus", NULL},
        {"nonsense for a list", TWO DEVICES(NEAR("0-x"), AT("1")),
         ALLOWED("0-3", "0-1"), AUDIT_NU5, AUDIT_UNKNOWN, "not said", NULL},
        {"nobody says what is allowed", TWO DEVICES(NEAR("0-1"), AT("1")), NULL,
         AUDIT_NU5, AUDIT_UNKNOWN, "No such file", NULL},
        {"nonsense for what is allowed", TWO DEVICES(NEAR("0-1"), AT("1")),
         ALLOWED("0-3-", "0"), AUDIT_NU5, AUDIT_UNKNOWN, "Invalid argument", NULL},
        {"no gpu", TWO NO_GPU, ALLOWED("0-3", "0-1"), AUDIT_NU5, AUDIT_UNKNOWN,
         "no gpu here", NULL},
    };
    CHECK(rows);
}

#define BALANCING(n) "/proc/sys/kernel/numa_balancing " n "\n"
#define RECLAIM(n)   "/proc/sys/vm/zone_reclaim_mode " n "\n"

static void test_moving(void **state)
{
    (void)state;
    static const struct pci_look_row rows[] = {
        {"off", TWO BALANCING("0") RECLAIM("0"), NULL, AUDIT_NU6, AUDIT_PASS,
         "numa_balancing 0, zone_reclaim_mode 0", NULL},
        {"on", TWO BALANCING("1") RECLAIM("0"), NULL, AUDIT_NU6, AUDIT_WARN,
         "numa_balancing 1", NULL},
        {"on, on one node", ONE BALANCING("1") RECLAIM("0"), NULL, AUDIT_NU6,
         AUDIT_PASS, "(one node)", NULL},
        {"reclaim", TWO BALANCING("0") RECLAIM("1"), NULL, AUDIT_NU6, AUDIT_WARN,
         "zone_reclaim_mode 1", NULL},
        {"neither in this kernel", ONE "/proc/sys/vm/swappiness 60\n", NULL, AUDIT_NU6,
         AUDIT_PASS, "has neither", NULL},
        {"nothing to be seen", ONE, NULL, AUDIT_NU6, AUDIT_UNKNOWN, "is not shown",
         NULL},
        {"not allowed", TWO BALANCING("0") RECLAIM("0"),
         "facts errno EACCES proc/sys/kernel/numa_balancing\n", AUDIT_NU6,
         AUDIT_UNKNOWN, "Permission denied", NULL},
        {"nonsense", TWO BALANCING("on") RECLAIM("0"), NULL, AUDIT_NU6, AUDIT_UNKNOWN,
         "Invalid argument", NULL},
    };
    CHECK(rows);
}

#define CPU(n, siblings) \
    "/sys/devices/system/cpu/cpu" n "/topology/thread_siblings_list " siblings "\n"
#define CPUS(list, smt)                                                                \
    "/sys/devices/system/cpu/online " list "\n/sys/devices/system/cpu/smt/active " smt \
    "\n"

static void test_threads(void **state)
{
    (void)state;
    static const struct pci_look_row rows[] = {
        {"two",
         PCI_TREE_METAL CPUS("0-3", "1") CPU("0", "0,2") CPU("1", "1,3") CPU("2", "0,2")
             CPU("3", "1,3"),
         NULL, AUDIT_NU7, AUDIT_PASS, "4 cpus, 2 threads a core", NULL},
        {"one", PCI_TREE_METAL CPUS("0-1", "0") CPU("0", "0") CPU("1", "1"), NULL,
         AUDIT_NU7, AUDIT_PASS, "2 cpus, 1 thread a core (smt off)", NULL},
        {"one, in a guest", PCI_TREE_GUEST CPUS("0-1", "0") CPU("0", "0") CPU("1", "1"),
         NULL, AUDIT_NU7, AUDIT_UNKNOWN, "they may share some", NULL},
        {"two, in a guest",
         PCI_TREE_GUEST CPUS("0-1", "1") CPU("0", "0-1") CPU("1", "0-1"), NULL,
         AUDIT_NU7, AUDIT_PASS, "2 threads a core", NULL},
        {"some are off",
         PCI_TREE_METAL CPUS("0-2", "1") CPU("0", "0,2") CPU("1", "1") CPU("2", "0,2"),
         NULL, AUDIT_NU7, AUDIT_WARN, "1 of 3 cpus on cores with fewer", NULL},
        {"two kinds of cores",
         PCI_TREE_METAL CPUS("0-2", "1") CPU("0", "0,2") CPU("1", "1") CPU("2", "0,2"),
         "/sys/devices/cpu_atom/type 10\n", AUDIT_NU7, AUDIT_PASS, "2 threads a core",
         NULL},
        {"not said", PCI_TREE_METAL CPUS("0-1", "1") CPU("0", "0"), NULL, AUDIT_NU7,
         AUDIT_UNKNOWN, "does not say", NULL},
        {"nonsense", PCI_TREE_METAL CPUS("0", "1") CPU("0", "0-8191"), NULL, AUDIT_NU7,
         AUDIT_UNKNOWN, "does not say", NULL},
        {"nothing", PCI_TREE_METAL, NULL, AUDIT_NU7, AUDIT_UNKNOWN, "does not say",
         NULL},
    };
    CHECK(rows);
}

static void test_all_of_them(void **state)
{
    (void)state;
    static const enum audit_probe probes[] = {
        AUDIT_NU1, AUDIT_NU2, AUDIT_NU3, AUDIT_NU4, AUDIT_NU5, AUDIT_NU6, AUDIT_NU7};
    static const char *const machines[] = {PCI_TREE_METAL TWO DEVICES(AT("0"), AT("1")),
                                           PCI_TREE_GUEST ONE NO_GPU, ""};
    for (size_t i = 0; i < sizeof machines / sizeof *machines; i++)
        pci_look_all(look_numa, machines[i], probes, sizeof probes / sizeof *probes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_devices),    cmocka_unit_test(test_distances),
        cmocka_unit_test(test_attributes), cmocka_unit_test(test_placing),
        cmocka_unit_test(test_near),       cmocka_unit_test(test_moving),
        cmocka_unit_test(test_threads),    cmocka_unit_test(test_all_of_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
