/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/rundir.h"

#define TIME 1700000000123456789u /* 2023-11-14 22:13:20 UTC */
#define ID   "abcd1234"

static int setup(void **state)
{
    char *dir = strdup("/tmp/rundir_test.XXXXXX");
    *state = dir;
    return !dir || !mkdtemp(dir) || chdir(dir) < 0;
}

static int teardown(void **state)
{
    char cmd[80];
    (void)snprintf(cmd, sizeof cmd, "rm -rf %s", (char *)*state);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(system(cmd), 0);
    free(*state);
    return 0;
}

static void expect_latest(const char *folder)
{
    char to[PATH_MAX] = "";
    assert_true(readlink("out/deep/latest", to, sizeof to - 1) > 0);
    assert_string_equal(to, folder);
}

static void test_names_and_latest(void **state)
{
    static const struct {
        const char *name, *folder;
    } table[] = {
        {"job", "job-20231114T221320Z-abcd"},
        {"job", "job-20231114T221320Z-abcd1234"}, /* twice in one second, same id */
        {"a b/../c", "a_b_.._c-20231114T221320Z-abcd"},
        {"..", "_.-20231114T221320Z-abcd"},
        {"", "-20231114T221320Z-abcd"},
    };
    struct stat st;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct rundir d;
        char want[PATH_MAX];
        assert_int_equal(rundir_create("out/deep", table[i].name, TIME, ID, &d, NULL),
                         0);
        (void)snprintf(want, sizeof want, "%s/out/deep/%s", (char *)*state,
                       table[i].folder);
        assert_string_equal(d.path, want);
        assert_int_equal(stat(d.path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0700);
        expect_latest(table[i].folder);
    }
    struct rundir d;
    struct err e;
    assert_int_equal(rundir_create("out/deep", "job", TIME, ID, &d, &e), -EEXIST);
    expect_latest(table[4].folder);
    assert_int_equal(rundir_create("/proc/none", "job", TIME, ID, &d, &e), -ENOENT);
}

static void test_attempt(void **state)
{
    (void)state;
    struct rundir d;
    struct stat st;
    char path[PATH_MAX];
    struct err e;
    assert_int_equal(rundir_create("out", "job", TIME, ID, &d, NULL), 0);
    assert_int_equal(rundir_attempt(&d, 2, path, sizeof path, NULL), 0);
    assert_string_equal(strrchr(path, '/'), "/attempt-2");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(rundir_attempt(&d, 2, path, sizeof path, &e), -EEXIST);
    assert_int_equal(rundir_path(&d, "key", path, 8, &e), -ENAMETOOLONG);
}

static void test_write_is_whole_or_not_at_all(void **state)
{
    (void)state;
    struct stat st;
    char got[8] = "";
    struct err e;
    assert_int_equal(rundir_write("key", "old", 3, 0600, NULL), 0);
    assert_int_equal(rundir_write("key", "newer", 5, 0600, NULL), 0);
    assert_int_equal(stat("key", &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    int fd = open("key", O_RDONLY);
    assert_int_equal(read(fd, got, sizeof got), 5);
    assert_string_equal(got, "newer");
    close(fd);
    assert_int_equal(mkdir("folder", 0700), 0);
    assert_int_equal(rundir_write("folder", "x", 1, 0600, &e), -EISDIR);
    assert_int_equal(rundir_write("no/such", "x", 1, 0600, &e), -ENOENT);
    assert_int_equal(system("test \"$(ls | tr '\\n' ' ')\" = 'folder key '"), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_names_and_latest),
        T(test_attempt),
        T(test_write_is_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
