/* SPDX-License-Identifier: MIT */
/* Control groups as trees of plain files below a folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/folders.h"
#include "agent/readback_cgroup.h"

#define V2 "41 31 0:38 / /cg rw - cgroup2 cgroup2 rw\n"
#define V1                                                \
    "35 31 0:32 / /cg/cpu rw - cgroup cgroup rw,cpu\n"    \
    "36 31 0:33 / /cg/mem rw - cgroup cgroup rw,memory\n" \
    "37 31 0:34 / /cg/set rw - cgroup cgroup rw,cpuset\n"
#define HYBRID V1 "41 31 0:38 / /cg/unified rw - cgroup2 cgroup2 rw\n"

struct file {
    const char *path, *text;
};

static void put(const char *root, const struct file *f)
{
    char path[512];
    int n = snprintf(path, sizeof path, "%s%s", root, f->path);
    assert_true(n > 0 && (size_t)n < sizeof path);
    for (char *p = path + strlen(root) + 1; (p = strchr(p, '/')); p++) {
        *p = '\0';
        (void)mkdir(path, 0755);
        *p = '/';
    }
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_true(fputs(f->text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

static void test_trees(void **state)
{
    (void)state;
    static const struct {
        const char *what, *mounts, *own;
        struct file files[10];
        bool known;
        const char *cpus;
        uint32_t quota;
        const char *quota_at;
        uint64_t memory;
    } table[] = {
        {"version 2, its own",
         V2,
         "0::/a\n",
         {{"/cg/cgroup.procs", ""},
          {"/cg/a/cgroup.procs", ""},
          {"/cg/a/cpu.max", "150000 100000\n"},
          {"/cg/a/memory.max", "4096\n"},
          {"/cg/a/cpuset.cpus.effective", "0-3\n"}},
         true,
         "0-3",
         150,
         "/cg/a",
         4096},
        {"version 2, above it is tighter",
         V2,
         "0::/a/b/c\n",
         {{"/cg/cgroup.procs", ""},
          {"/cg/a/cgroup.procs", ""},
          {"/cg/a/cpu.max", "50000 100000\n"},
          {"/cg/a/memory.max", "1000\n"},
          {"/cg/a/cpuset.cpus.effective", "0-7\n"},
          {"/cg/a/b/cgroup.procs", ""},
          {"/cg/a/b/cpu.max", "max 100000\n"},
          {"/cg/a/b/c/cgroup.procs", ""},
          {"/cg/a/b/c/cpu.max", "200000 100000\n"},
          {"/cg/a/b/c/memory.max", "max\n"}},
         true,
         "0-7",
         50,
         "/cg/a",
         1000},
        {"version 2, no limits",
         V2,
         "0::/\n",
         {{"/cg/cgroup.procs", ""}, {"/cg/cpuset.cpus.effective", "0-1\n"}},
         true,
         "0-1",
         0,
         "",
         0},
        {"version 1",
         V1,
         "3:cpu:/a\n4:memory:/m\n5:cpuset:/s\n",
         {{"/cg/cpu/a/cgroup.procs", ""},
          {"/cg/cpu/a/cpu.cfs_quota_us", "60000\n"},
          {"/cg/cpu/a/cpu.cfs_period_us", "100000\n"},
          {"/cg/mem/m/cgroup.procs", ""},
          {"/cg/mem/m/memory.limit_in_bytes", "12345\n"},
          {"/cg/set/s/cgroup.procs", ""},
          {"/cg/set/s/cpuset.cpus", "0-7\n"},
          {"/cg/set/s/cpuset.effective_cpus", "2-3\n"}},
         true,
         "2-3",
         60,
         "/cg/cpu/a",
         12345},
        {"version 1, no limits",
         V1,
         "3:cpu:/\n4:memory:/\n",
         {{"/cg/cpu/cgroup.procs", ""},
          {"/cg/cpu/cpu.cfs_quota_us", "-1\n"},
          {"/cg/cpu/cpu.cfs_period_us", "100000\n"},
          {"/cg/mem/cgroup.procs", ""},
          {"/cg/mem/memory.limit_in_bytes", "9223372036854771712\n"}},
         true,
         "",
         0,
         "",
         0},
        {"both",
         HYBRID,
         "3:cpu:/a\n0::/u\n",
         {{"/cg/cpu/a/cgroup.procs", ""},
          {"/cg/cpu/a/cpu.cfs_quota_us", "400000\n"},
          {"/cg/cpu/a/cpu.cfs_period_us", "100000\n"},
          {"/cg/unified/u/cgroup.procs", ""},
          {"/cg/unified/u/cpu.max", "300000 100000\n"}},
         true,
         "",
         300,
         "/cg/unified/u",
         0},
        {"a group that is gone",
         V2,
         "0::/x\n",
         {{"/cg/cgroup.procs", ""}},
         false,
         "",
         0,
         "",
         0},
        {"outside of what is mounted",
         V2,
         "0::/../x\n",
         {{"/cg/cgroup.procs", ""}},
         false,
         "",
         0,
         "",
         0},
        {"nonsense",
         V2,
         "0::/a\n",
         {{"/cg/a/cgroup.procs", ""},
          {"/cg/a/cpu.max", "lots\n"},
          {"/cg/a/memory.max", "-\n"}},
         true,
         "",
         0,
         "",
         0},
        {"a quota of nothing is one",
         V2,
         "0::/a\n",
         {{"/cg/a/cgroup.procs", ""}, {"/cg/a/cpu.max", "1000 1000000\n"}},
         true,
         "",
         1,
         "/cg/a",
         0},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char root[] = "/tmp/aolani-readback-XXXXXX", at[PATH_MAX];
        struct readback_cgroup *c = calloc(1, sizeof *c);
        assert_non_null(mkdtemp(root));
        for (size_t k = 0; table[i].files[k].path; k++) {
            put(root, &table[i].files[k]);
            if (k == 9)
                break;
        }
        readback_cgroup_read(root, table[i].mounts, table[i].own, c);
        (void)snprintf(at, sizeof at, "%s%s", table[i].quota_at[0] ? root : "",
                       table[i].quota_at);
        print_message("%s\n", table[i].what);
        assert_int_equal(c->known, table[i].known);
        assert_string_equal(c->cpus, table[i].cpus);
        assert_int_equal(c->quota_percent, table[i].quota);
        assert_string_equal(c->quota_at, at);
        assert_int_equal(c->memory, table[i].memory);
        free(c);
        assert_int_equal(folders_remove_tree(root, NULL), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_trees)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
