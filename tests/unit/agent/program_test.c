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

#include "agent/folders.h"
#include "agent/program.h"

static char dir[64];

static void make(const char *name, mode_t mode)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0 && fchmod(fd, mode) == 0);
    close(fd);
}

static int set_up(void **state)
{
    (void)state;
    char sub[80];
    (void)snprintf(dir, sizeof dir, "/tmp/aolani-program-test-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    (void)snprintf(sub, sizeof sub, "%s/bin", dir);
    if (mkdir(sub, 0700) < 0)
        return -1;
    make("here", 0700);
    make("plain", 0600);
    make("bin/tool", 0700);
    make("bin/data", 0600);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return folders_remove_tree(dir, NULL);
}

static void test_search(void **state)
{
    (void)state;
    static const struct {
        const char *name, *path_var; /* %: the folder */
        int rc;
        const char *want; /* below the folder, or absolute */
        const char *says;
    } table[] = {
        {"tool", "/no/such:%/bin", 0, "bin/tool", NULL},
        {"tool", "bin", 0, "bin/tool", NULL}, /* relative to the working directory */
        {"here", "/no/such:", 0, "here",
         NULL}, /* an empty part is the working directory */
        {"sh", NULL, 0, "/bin/sh", NULL},
        {"./here", "", 0, "./here", NULL},
        {"bin/tool", "", 0, "bin/tool", NULL},
        {"/bin/sh", "", 0, "/bin/sh", NULL},
        {"data", "%/bin", -EACCES, NULL, "bin/data"},
        {"bin", "%", -ENOENT, NULL, "not in PATH"}, /* a folder is no program */
        {"nope", "%/bin:/bin", -ENOENT, NULL, "\"nope\""},
        {"./nope", "", -ENOENT, NULL, "nope"},
        {"./plain", "", -EACCES, NULL, "plain"},
        {"./bin", "", -EACCES, NULL, "bin"},
        {"", "/bin", -EINVAL, NULL, "empty"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char path_var[256] = "", want[256];
        const char *p = table[i].path_var, *mark = p ? strchr(p, '%') : NULL;
        if (p)
            (void)snprintf(path_var, sizeof path_var, "%.*s%s%s",
                           mark ? (int)(mark - p) : (int)strlen(p), p, mark ? dir : "",
                           mark ? mark + 1 : "");
        char *argv[] = {(char *)table[i].name, (char *)"x", NULL};
        struct program got;
        struct err e;
        int rc = program_find(argv, 2, p ? path_var : NULL, dir, &got, &e);
        if (rc != table[i].rc)
            fail_msg("\"%s\": %d (%s)", table[i].name, rc, rc < 0 ? e.text : "");
        if (rc < 0) {
            if (!strstr(e.text, table[i].says))
                fail_msg("\"%s\" does not say \"%s\"", e.text, table[i].says);
            continue;
        }
        (void)snprintf(want, sizeof want, "%s%s%s", table[i].want[0] == '/' ? "" : dir,
                       table[i].want[0] == '/' ? "" : "/", table[i].want);
        if (strcmp(table[i].want, "/bin/sh") == 0)
            assert_non_null(strstr(got.path, "/sh"));
        else
            assert_string_equal(got.path, want);
        assert_string_equal(got.argv[0], table[i].name);
        assert_string_equal(got.argv[1], "x");
        assert_null(got.argv[2]);
        /* A shell is for texts. */
        assert_int_equal(got.sh_argv == NULL, strstr(got.path, "/sh") != NULL);
        if (got.sh_argv) {
            assert_string_equal(got.sh_argv[1], got.path);
            assert_string_equal(got.sh_argv[2], "x");
        }
        program_fini(&got);
    }
}

static void test_workdir(void **state)
{
    (void)state;
    struct err e;
    char path[128];
    assert_int_equal(program_check_workdir(dir, &e), 0);
    (void)snprintf(path, sizeof path, "%s/nowhere", dir);
    assert_int_equal(program_check_workdir(path, &e), ERR_USAGE);
    assert_non_null(strstr(e.text, path));
    assert_true(e.hint[0] != '\0');
    (void)snprintf(path, sizeof path, "%s/here", dir);
    assert_int_equal(program_check_workdir(path, &e), ERR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_search),
        cmocka_unit_test(test_workdir),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
