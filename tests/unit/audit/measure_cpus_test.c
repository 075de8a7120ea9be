/* SPDX-License-Identifier: MIT */
/* Where CPUs stand and how much memory is free, of trees that are made up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>

#include "agent/audit/measure_cgroup.h"
#include "agent/audit/measure_cpus.h"
#include "agent/audit/measure_room.h"
#include "tests/lib/tree.h"

#define CPU  "sys/devices/system/cpu/cpu"
#define NODE "sys/devices/system/node/node"
#define MIB  (1ull << 20)

struct file {
    const char *path, *text;
};

static struct machine *make(char *dir, const struct file *files)
{
    struct machine *m;
    assert_non_null(mkdtemp(dir));
    for (; files->path; files++)
        tree_put(dir, files->path, files->text);
    assert_int_equal(machine_open(dir, &m, NULL), 0);
    return m;
}

static void forget(struct machine *m, const char *dir)
{
    char command[128];
    machine_close(m);
    (void)snprintf(command, sizeof command, "rm -rf -- '%s'", dir);
    assert_int_equal(system(command), 0);
}

/* Two hardware threads a core, two NUMA nodes, a cache for every two cores; of node 1 only
 * the second threads may be used. */
static void test_two_nodes(void **state)
{
    (void)state;
    static const struct file files[] = {
        {NODE "0/cpulist", "0-3,8-11\n"},
        {NODE "1/cpulist", "4-7,12-15\n"},
        {NODE "2/cpulist", "\n"}, /* memory alone */
        {"sys/devices/system/node/possible", "0-2\n"},
        {CPU "0/topology/thread_siblings_list", "0,8\n"},
        {CPU "1/topology/thread_siblings_list", "1,9\n"},
        {CPU "2/topology/thread_siblings_list", "2,10\n"},
        {CPU "12/topology/thread_siblings_list", "4,12\n"},
        {CPU "13/topology/thread_siblings_list", "5,13\n"},
        {CPU "0/cache/index0/level", "1\n"},
        {CPU "0/cache/index0/size", "32K\n"},
        {CPU "0/cache/index0/shared_cpu_list", "0,8\n"},
        {CPU "0/cache/index1/level", "3\n"},
        {CPU "0/cache/index1/size", "32768K\n"},
        {CPU "0/cache/index1/shared_cpu_list", "0-1,8-9\n"},
        {CPU "2/cache/index0/level", "3\n"},
        {CPU "2/cache/index0/size", "16M\n"},
        {CPU "2/cache/index0/shared_cpu_list", "2-3,10-11\n"},
        {CPU "12/cache/index0/level", "3\n"},
        {CPU "12/cache/index0/size", "8192K\n"}, /* whose it is besides is not told */
        {CPU "13/cache/index0/level", "3\n"},
        {CPU "13/cache/index0/size", "8192K\n"},
        {NULL, NULL},
    };
    static const uint32_t cpus[] = {0, 1, 2, 8, 9, 12, 13};
    static const bool leads[] = {true, true, true, false, false, true, true};
    char dir[] = "/tmp/aolani-cpus-XXXXXX";
    struct machine *m = make(dir, files);
    struct measure_cpus c;
    assert_int_equal(measure_cpus_read(m, cpus, 7, &c), 0);
    assert_int_equal(c.n, 7);
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(c.cpus[i].cpu, cpus[i]);
        assert_int_equal(c.cpus[i].numa, cpus[i] >= 12);
        assert_int_equal(c.cpus[i].leads, leads[i]);
    }
    assert_int_equal(c.n_numas, 2);
    assert_int_equal(c.numas[0].numa, 0);
    assert_int_equal(c.numas[0].n_cores, 3);
    assert_int_equal(c.numas[0].cache_bytes, 48 * MIB);
    assert_int_equal(c.numas[1].numa, 1);
    assert_int_equal(c.numas[1].n_cores, 2);
    assert_int_equal(c.numas[1].cache_bytes, 16 * MIB);
    measure_cpus_fini(&c);
    measure_cpus_fini(&c);
    forget(m, dir);
}

/* Of some guests the threads of a core are in different NUMA nodes: each of those has a
 * first one all the same. */
static void test_cores_across_nodes(void **state)
{
    (void)state;
    static const struct file files[] = {
        {NODE "0/cpulist", "0,2\n"},
        {NODE "1/cpulist", "1,3\n"},
        {CPU "0/topology/thread_siblings_list", "0-1\n"},
        {CPU "1/topology/thread_siblings_list", "0-1\n"},
        {CPU "2/topology/thread_siblings_list", "0-3\n"},
        {CPU "3/topology/thread_siblings_list", "2-3\n"},
        {NULL, NULL},
    };
    static const uint32_t cpus[] = {0, 1, 2, 3};
    char dir[] = "/tmp/aolani-cpus-XXXXXX";
    struct machine *m = make(dir, files);
    struct measure_cpus c;
    assert_int_equal(measure_cpus_read(m, cpus, 4, &c), 0);
    assert_int_equal(c.n_numas, 2);
    assert_int_equal(c.numas[0].n_cores, 2);
    assert_int_equal(c.numas[1].n_cores, 2);
    measure_cpus_fini(&c);
    forget(m, dir);
}

static void test_nothing_is_told(void **state)
{
    (void)state;
    static const struct file none[] = {{NULL, NULL}};
    static const struct file nonsense[] = {
        {NODE "x/cpulist", "0-1\n"},
        {NODE "99999/cpulist", "0-1\n"},
        {NODE "3/cpulist", "0-\n"},
        {CPU "0/topology/thread_siblings_list", "many\n"},
        {CPU "0/cache/index0/level", "3\n"},
        {CPU "0/cache/index0/size", "-5K\n"},
        {CPU "1/cache/index0/level", "high\n"},
        {NULL, NULL},
    };
    const struct file *trees[] = {none, nonsense};
    static const uint32_t cpus[] = {0, 1};
    for (size_t i = 0; i < 2; i++) {
        char dir[] = "/tmp/aolani-cpus-XXXXXX";
        struct machine *m = make(dir, trees[i]);
        struct measure_cpus c;
        assert_int_equal(measure_cpus_read(m, cpus, 2, &c), 0);
        assert_int_equal(c.n_numas, 1);
        assert_int_equal(c.numas[0].numa, 0);
        assert_int_equal(c.numas[0].n_cores, 2);
        assert_true(c.numas[0].cache_bytes >= MIB);
        measure_cpus_fini(&c);
        forget(m, dir);
    }
}

#define V2  "sys/fs/cgroup/"
#define V1  "sys/fs/cgroup/memory/"
#define MAX "9223372036854771712\n" /* what version 1 says without a limit */

static void test_room(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct file files[8];
        uint64_t numa, cgroup;
    } table[] = {
        {"nothing is told", {{NULL, NULL}}, UINT64_MAX, UINT64_MAX},
        {"of the node, with the page cache",
         {{NODE "0/meminfo",
           "Node 0 MemTotal: 9999 kB\nNode 0 MemFree:        1000 kB\n"
           "Node 0 Inactive(file):  24 kB\n"}},
         1024 * 1024,
         UINT64_MAX},
        {"of the machine",
         {{"proc/meminfo",
           "MemTotal: 9999 kB\nMemFree: 5 kB\nMemAvailable:   2048 kB\n"}},
         2 * MIB,
         UINT64_MAX},
        {"of a node that we may not use, in a cpuset",
         {{"proc/self/status", "Name:\tx\nMems_allowed_list:\t1-2\nnonvoluntary: 1\n"},
          {NODE "0/meminfo", "Node 0 MemFree: 1000 kB\n"}},
         0,
         UINT64_MAX},
        {"of a node that we may use",
         {{"proc/self/status", "Mems_allowed:\t00000003\nMems_allowed_list:\t0-1\n"},
          {NODE "0/meminfo", "Node 0 MemFree: 1024 kB\n"}},
         MIB,
         UINT64_MAX},
        {"another node",
         {{NODE "1/meminfo", "Node 1 MemFree: 1 kB\n"}},
         UINT64_MAX,
         UINT64_MAX},
        {"a limit of its own",
         {{"proc/self/cgroup", "0::/a/b\n"},
          {V2 "a/b/memory.max", "1000000\n"},
          {V2 "a/b/memory.current", "400000\n"},
          {V2 "a/b/memory.stat", "anon 1\nfile 9\ninactive_file 100000\n"}},
         UINT64_MAX,
         700000},
        {"a limit that is kept by slowing us down",
         {{"proc/self/cgroup", "0::/a\n"},
          {V2 "a/memory.max", "max\n"},
          {V2 "a/memory.high", "900000\n"},
          {V2 "a/memory.current", "400000\n"}},
         UINT64_MAX,
         500000},
        {"no limit but one above it",
         {{"proc/self/cgroup", "0::/a/b\n"},
          {V2 "a/b/memory.max", "max\n"},
          {V2 "a/b/memory.current", "1\n"},
          {V2 "a/memory.max", "1000000\n"},
          {V2 "a/memory.current", "400000\n"}},
         UINT64_MAX,
         600000},
        {"the root of a container",
         {{"proc/self/cgroup", "0::/\n"},
          {V2 "memory.max", "5000\n"},
          {V2 "memory.current", "6000\n"}},
         UINT64_MAX,
         0},
        {"version 1",
         {{"proc/self/cgroup", "5:cpu,cpuacct:/x\n9:memory:/j/k\n0::/j\n"},
          {V1 "j/k/memory.limit_in_bytes", "9000\n"},
          {V1 "j/k/memory.usage_in_bytes", "5000\n"},
          {V1 "j/k/memory.stat", "inactive_file 1\ntotal_inactive_file 500\n"},
          {V1 "memory.limit_in_bytes", MAX},
          {V1 "memory.usage_in_bytes", "100\n"}},
         UINT64_MAX,
         4500},
        {"nonsense",
         {{"proc/self/cgroup", "x\n0:\n:::\n0::../..\n"},
          {NODE "0/meminfo", "Node 0 MemFree: many kB\n"}},
         UINT64_MAX,
         UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char dir[] = "/tmp/aolani-room-XXXXXX";
        struct machine *m = make(dir, table[i].files);
        uint64_t numa = measure_room_numa(m, 0), cgroup = measure_room_cgroup(m);
        if (numa != table[i].numa || cgroup != table[i].cgroup)
            fail_msg("%s: %llu, %llu", table[i].name, (unsigned long long)numa,
                     (unsigned long long)cgroup);
        forget(m, dir);
    }
}

static void test_throttled(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct file files[6];
        uint64_t ns;
    } table[] = {
        {"nothing is told", {{NULL, NULL}}, 0},
        {"no limit",
         {{"proc/self/cgroup", "0::/a\n"}, {V2 "a/cpu.stat", "usage_usec 12345\n"}},
         0},
        {"the most of all that are above",
         {{"proc/self/cgroup", "0::/a/b\n"},
          {V2 "a/b/cpu.stat", "usage_usec 1\nnr_throttled 2\nthrottled_usec 30\n"},
          {V2 "a/cpu.stat", "usage_usec 1\nnr_throttled 9\nthrottled_usec 70\n"},
          {V2 "cpu.stat", "usage_usec 1\n"}},
         70000},
        {"version 1",
         {{"proc/self/cgroup", "9:memory:/m\n4:cpu,cpuacct:/a\n2:cpuset:/z\n"},
          {"sys/fs/cgroup/cpu/a/cpu.stat", "nr_periods 3\nthrottled_time 55\n"},
          {"sys/fs/cgroup/cpu/z/cpu.stat", "nr_periods 3\nthrottled_time 99\n"}},
         55},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char dir[] = "/tmp/aolani-limit-XXXXXX";
        struct machine *m = make(dir, table[i].files);
        uint64_t ns = measure_cgroup_throttled_ns(m);
        if (ns != table[i].ns)
            fail_msg("%s: %llu", table[i].name, (unsigned long long)ns);
        forget(m, dir);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_nodes),
        cmocka_unit_test(test_cores_across_nodes),
        cmocka_unit_test(test_nothing_is_told),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_throttled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
