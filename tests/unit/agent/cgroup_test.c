/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/cgroup.h"

#define V1                                              \
    "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n" \
    "35 31 0:32 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n"
#define V2 \
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:1 - cgroup2 cgroup2 rw\n"
#define V2P "41 31 0:38 /user.slice /cg rw - cgroup2 cgroup2 rw\n"

static void test_locate(void **state)
{
    (void)state;
    static const struct {
        const char *mounts, *own, *controller;
        int rc;
        const char *want;
    } table[] = {
        {V1 V2, "4:memory:/x\n0::/\n", NULL, 0, "/sys/fs/cgroup/unified"},
        {V2, "0::/user.slice/a b/c\n", NULL, 0,
         "/sys/fs/cgroup/unified/user.slice/a b/c"},
        {V2P, "0::/user.slice/s.scope\n", NULL, 0, "/cg/s.scope"},
        {V2P, "0::/user.slice\n", NULL, 0, "/cg"},
        {V2P, "0::/system.slice\n", NULL, -ENOENT, NULL},
        {V2P, "0::/user.slices/x\n", NULL, -ENOENT, NULL},
        {V1, "4:memory:/x\n0::/\n", NULL, -ENOENT, NULL},
        {V2, "4:memory:/x\n", NULL, -ENOENT, NULL},
        {"", "0::/\n", NULL, -ENOENT, NULL},
        {"nonsense\n - cgroup2 \n", "0::/\n", NULL, -ENOENT, NULL},
        {V1 V2, "4:memory:/x\n0::/\n", "memory", 0, "/sys/fs/cgroup/memory/x"},
        {V1, "3:cpu:/y\n4:cpuset,memory:/\n", "memory", 0, "/sys/fs/cgroup/memory"},
        {V1, "4:memories:/x\n", "memory", -ENOENT, NULL},
        {V2, "0::/x\n", "memory", -ENOENT, NULL},
        {V1, "4:memory\n:/x\n::\n", "memory", -ENOENT, NULL},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct buf b;
        buf_init(&b, 4096);
        assert_int_equal(
            cgroup_locate(table[i].mounts, table[i].own, table[i].controller, &b),
            table[i].rc);
        if (table[i].want)
            assert_string_equal((char *)b.data, table[i].want);
        buf_fini(&b);
    }
}

static void test_a_group_and_its_end(void **state)
{
    (void)state;
    struct cgroup *g, *again;
    struct err e;
    if (cgroup_create("aolani-cgroup-test", &g, &e) < 0) {
        print_message("skipped: %s\n", e.text);
        skip();
    }
    assert_int_equal(cgroup_is_empty(g), 1);
    int ready[2], status;
    char c;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)signal(SIGTERM, SIG_IGN);
        if (write(cgroup_entrance(g), "0", 1) != 1 || write(ready[1], "x", 1) != 1)
            _exit(1);
        (void)fork(); /* what it starts is in it, too */
        (void)pause();
        _exit(0);
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    assert_int_equal(cgroup_is_empty(g), 0);
    assert_int_equal(cgroup_adopt(cgroup_path(g), &again, &e), 0);
    assert_int_equal(cgroup_kill(again), 0);
    cgroup_destroy(again);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WTERMSIG(status), SIGKILL);
    for (int i = 0; i < 100 && cgroup_is_empty(g) == 0; i++)
        (void)usleep(10000);
    assert_int_equal(cgroup_is_empty(g), 1);
    assert_int_equal(cgroup_remove(g), 0);
    assert_int_equal(cgroup_remove(g), 0);
    assert_int_equal(cgroup_is_empty(g), 1); /* gone is empty */
    assert_int_equal(cgroup_adopt(cgroup_path(g), &again, &e), -ENOENT);
    cgroup_destroy(g);
    cgroup_destroy(NULL);
    close(ready[0]);
    close(ready[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_locate),
        cmocka_unit_test(test_a_group_and_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
