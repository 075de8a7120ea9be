/* SPDX-License-Identifier: MIT */
/* Quotas of control groups, as trees of plain files below a folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/folders.h"
#include "agent/nodesignals_cgroup.h"
#include "tests/lib/tree.h"

#define V2 "41 31 0:38 / /cg rw - cgroup2 cgroup2 rw\n"
#define V1                                                     \
    "35 31 0:32 / /cg/cpu rw - cgroup cgroup rw,cpu,cpuacct\n" \
    "37 31 0:34 / /cg/set rw - cgroup cgroup rw,cpuset\n"
#define HYBRID V1 "41 31 0:38 / /cg/unified rw - cgroup2 cgroup2 rw\n"

#define USED(us)  "usage_usec 9\nnr_throttled 1\nthrottled_usec " #us "\n"
#define OLD(ns)   "nr_periods 1\nnr_throttled 1\nthrottled_time " #ns "\n"
#define NO_QUOTA  "usage_usec 9\nuser_usec 3\n"
#define UNCHANGED NULL

struct file {
    const char *path, *before, *after; /* NULL: as it was; gone: removed */
};
static const char gone[] = "gone";

static const struct row {
    const char *what, *mounts, *own;
    struct file files[8];
    bool known;
    uint64_t us;
} rows[] = {
    {"version 2: its own and one above",
     V2,
     "0::/a/b\n",
     {{"cg/cgroup.procs", "", UNCHANGED},
      {"cg/cpu.stat", NO_QUOTA, UNCHANGED},
      {"cg/a/cgroup.procs", "", UNCHANGED},
      {"cg/a/cpu.stat", USED(100), USED(350)},
      {"cg/a/b/cgroup.procs", "", UNCHANGED},
      {"cg/a/b/cpu.stat", USED(7), USED(10)}},
     true,
     253},
    {"version 2: the controller is on only above",
     V2,
     "0::/a/b\n",
     {{"cg/cgroup.procs", "", UNCHANGED},
      {"cg/a/cgroup.procs", "", UNCHANGED},
      {"cg/a/cpu.stat", USED(100), USED(101)},
      {"cg/a/b/cgroup.procs", "", UNCHANGED},
      {"cg/a/b/cpu.stat", NO_QUOTA, UNCHANGED}},
     true,
     1},
    {"version 2: nowhere, up to the root of all: 0",
     V2,
     "0::/a\n",
     {{"cg/cgroup.procs", "", UNCHANGED},
      {"cg/cpu.stat", NO_QUOTA, UNCHANGED},
      {"cg/a/cgroup.procs", "", UNCHANGED},
      {"cg/a/cgroup.events", "populated 1\n", UNCHANGED},
      {"cg/a/cpu.stat", NO_QUOTA, UNCHANGED}},
     true,
     0},
    {"version 2: one that no container can see, which the group itself tells of",
     V2,
     "0::/\n",
     {{"cg/cgroup.procs", "", UNCHANGED},
      {"cg/cgroup.events", "populated 1\n", UNCHANGED},
      {"cg/cpu.stat", USED(0), UNCHANGED},
      {"cg/cpu.stat.local", "throttled_usec 5\n", "throttled_usec 905\n"}},
     true,
     900},
    {"version 2: of all of them at once, and none is counted twice",
     V2,
     "0::/a/b\n",
     {{"cg/a/cgroup.procs", "", UNCHANGED},
      {"cg/a/cpu.stat", USED(100), USED(350)},
      {"cg/a/cpu.stat.local", "throttled_usec 0\n", "throttled_usec 250\n"},
      {"cg/a/b/cgroup.procs", "", UNCHANGED},
      {"cg/a/b/cpu.stat", USED(7), USED(10)},
      {"cg/a/b/cpu.stat.local", "throttled_usec 0\n", "throttled_usec 251\n"}},
     true,
     251},
    {"version 2: the controller is off in the group, and the one above tells",
     V2,
     "0::/a/b\n",
     {{"cg/a/cgroup.procs", "", UNCHANGED},
      {"cg/a/cpu.stat", USED(0), UNCHANGED},
      {"cg/a/cpu.stat.local", "throttled_usec 0\n", "throttled_usec 40\n"},
      {"cg/a/b/cgroup.procs", "", UNCHANGED},
      {"cg/a/b/cpu.stat", NO_QUOTA, UNCHANGED},
      {"cg/a/b/cpu.stat.local", "", UNCHANGED}},
     true,
     40},
    {"version 2: nowhere that a container can see: unknown",
     V2,
     "0::/\n",
     {{"cg/cgroup.procs", "", UNCHANGED},
      {"cg/cgroup.events", "populated 1\n", UNCHANGED},
      {"cg/cpu.stat", NO_QUOTA, UNCHANGED}},
     false,
     0},
    {"version 1",
     V1,
     "4:cpuset:/s\n3:cpu,cpuacct:/a\n",
     {{"cg/cpu/cgroup.procs", "", UNCHANGED},
      {"cg/cpu/cpu.stat", OLD(0), UNCHANGED},
      {"cg/cpu/a/cgroup.procs", "", UNCHANGED},
      {"cg/cpu/a/cpu.stat", OLD(1000000), OLD(3500999)}},
     true,
     2500},
    {"both: the controller is in version 1",
     HYBRID,
     "3:cpu,cpuacct:/a\n0::/u\n",
     {{"cg/cpu/a/cgroup.procs", "", UNCHANGED},
      {"cg/cpu/a/cpu.stat", OLD(0), OLD(5000)},
      {"cg/unified/cgroup.procs", "", UNCHANGED},
      {"cg/unified/cpu.stat", USED(0), USED(77)}},
     true,
     5},
    {"version 1 which is not mounted here",
     V2,
     "3:cpu,cpuacct:/a\n0::/\n",
     {{"cg/cgroup.procs", "", UNCHANGED}, {"cg/cpu.stat", NO_QUOTA, UNCHANGED}},
     false,
     0},
    {"it goes back",
     V2,
     "0::/a\n",
     {{"cg/a/cgroup.procs", "", UNCHANGED}, {"cg/a/cpu.stat", USED(9), USED(8)}},
     false,
     0},
    {"it vanishes",
     V2,
     "0::/a\n",
     {{"cg/a/cgroup.procs", "", UNCHANGED}, {"cg/a/cpu.stat", USED(9), gone}},
     false,
     0},
    {"it holds nonsense",
     V2,
     "0::/a\n",
     {{"cg/a/cgroup.procs", "", UNCHANGED},
      {"cg/a/cpu.stat", USED(9), "throttled_usec -3\n"}},
     false,
     0},
    {"nonsense from the beginning",
     V2,
     "0::/a\n",
     {{"cg/a/cgroup.procs", "", UNCHANGED},
      {"cg/a/cgroup.events", "", UNCHANGED},
      {"cg/a/cpu.stat", "throttled_usec 99999999999999999999\n\xff\n", UNCHANGED}},
     false,
     0},
    {"no group", V2, "", {{"cg/cgroup.procs", "", UNCHANGED}}, false, 0},
    {"outside of what is mounted",
     V2,
     "0::/../x\n",
     {{"cg/cgroup.procs", "", UNCHANGED}, {"cg/cpu.stat", USED(3), USED(9)}},
     false,
     0},
};

static void put_files(const char *dir, const struct file *files, bool after)
{
    for (size_t i = 0; i < 8 && files[i].path; i++) {
        const char *text = after ? files[i].after : files[i].before;
        char path[256];
        (void)snprintf(path, sizeof path, "%s/%s", dir, files[i].path);
        if (text == gone)
            assert_int_equal(unlink(path), 0);
        else if (text)
            tree_put(dir, files[i].path, text);
    }
}

static void read_once(struct nodesignals_cgroup *c, struct nodesignals_sum *s)
{
    nodesignals_sum_clear(s);
    nodesignals_cgroup_read(c, s);
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *r = &rows[i];
        char dir[] = "/tmp/aolani-quota-XXXXXX";
        struct nodesignals_cgroup *c = calloc(1, sizeof *c);
        struct nodesignals_sum s;
        print_message("%s\n", r->what);
        assert_non_null(mkdtemp(dir));
        put_files(dir, r->files, false);
        assert_int_equal(nodesignals_sum_init(&s, NULL, 0), 0);
        nodesignals_cgroup_add(c, dir, true, r->mounts, r->own);
        nodesignals_cgroup_add(c, dir, true, r->mounts, r->own); /* a second rank */
        read_once(c, &s);
        assert_true(s.known == 0 || c->is_free); /* the first look only begins */
        put_files(dir, r->files, true);
        read_once(c, &s);
        assert_int_equal(s.known, r->known ? NODESIGNALS_QUOTA : 0);
        assert_int_equal(s.throttled_us, r->us);
        nodesignals_sum_fini(&s);
        nodesignals_cgroup_fini(c);
        free(c);
        assert_int_equal(folders_remove_tree(dir, NULL), 0);
    }
}

/* A rank that had a group of its own has ended: the others' is still known. */
static void test_one_of_two_goes(void **state)
{
    (void)state;
    char dir[] = "/tmp/aolani-quota-XXXXXX";
    struct nodesignals_cgroup *c = calloc(1, sizeof *c);
    struct nodesignals_sum s;
    static const struct file files[8] = {{"cg/a/cgroup.procs", "", NULL},
                                         {"cg/a/cpu.stat", USED(1), USED(4)},
                                         {"cg/b/cgroup.procs", "", NULL},
                                         {"cg/b/cpu.stat", USED(1), gone}};
    assert_non_null(mkdtemp(dir));
    put_files(dir, files, false);
    assert_int_equal(nodesignals_sum_init(&s, NULL, 0), 0);
    nodesignals_cgroup_add(c, dir, true, V2, "0::/a\n");
    nodesignals_cgroup_add(c, dir, true, V2, "0::/b\n");
    assert_int_equal(c->n, 2);
    read_once(c, &s);
    put_files(dir, files, true);
    read_once(c, &s);
    assert_int_equal(s.known, 0);
    read_once(c, &s);
    assert_int_equal(s.known, NODESIGNALS_QUOTA);
    assert_int_equal(c->n, 1);
    nodesignals_sum_fini(&s);
    nodesignals_cgroup_fini(c);
    free(c);
    assert_int_equal(folders_remove_tree(dir, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_one_of_two_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
