/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/folders.h"
#include "agent/program.h"
#include "agent/setup.h"

static char home[64], work[80];

static void write_file(const char *name, const char *text)
{
    char path[160];
    (void)snprintf(path, sizeof path, "%s/%s", home, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(home, sizeof home, "/tmp/aolani-setup-test-XXXXXX");
    if (!mkdtemp(home))
        return -1;
    (void)snprintf(work, sizeof work, "%s/a b", home);
    /* As sites have it: noise, a function, variables that are not theirs, another folder. */
    write_file(".profile",
               "echo welcome to the cluster\n"
               "module() { export MODULES=\"$MODULES+$2\"; echo loaded $2; }\n"
               "export MODULES=base TOKEN=theirs SITE=yes\n"
               "unset LD_LIBRARY_PATH\n"
               "cd /\n");
    return folders_make_private(work, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    return folders_remove_tree(home, NULL);
}

static void read_back(int fd, char *ret, size_t size)
{
    ssize_t n = pread(fd, ret, size - 1, 0);
    assert_true(n >= 0);
    ret[n] = '\0';
    close(fd);
}

static int scratch(void)
{
    char name[] = "/tmp/aolani-setup-test-out-XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    (void)unlink(name);
    return fd;
}

struct result {
    int status;
    char out[4096], err[4096];
};

static void run_with(const char *text, const char *program, struct result *ret)
{
    char token[] = "ours 'and' \"$odd\"", env_home[80];
    Aolani__KeyValue kv[3] = {AOLANI__KEY_VALUE__INIT, AOLANI__KEY_VALUE__INIT,
                              AOLANI__KEY_VALUE__INIT};
    Aolani__KeyValue *env[] = {&kv[0], &kv[1], &kv[2]};
    char *argv[] = {(char *)"sh", (char *)"-c", (char *)program, (char *)"sh",
                    (char *)"x  y"};
    struct program p;
    kv[0].key = (char *)"TOKEN";
    kv[0].value = token;
    kv[1].key = (char *)"a-b; echo"; /* not for a shell */
    kv[1].value = (char *)"1";
    kv[2].key = (char *)"PWD"; /* the folder is not the job file's to say */
    kv[2].value = (char *)"/nowhere";
    assert_int_equal(program_with_setup(argv, 5, text, env, 3, &p, NULL), 0);
    int out = scratch(), err = scratch();
    pid_t pid = fork();
    if (pid == 0) {
        (void)snprintf(env_home, sizeof env_home, "%s", home);
        if (dup2(out, 1) < 0 || dup2(err, 2) < 0 || chdir(work) < 0)
            _exit(99);
        (void)setenv("HOME", env_home, 1);
        (void)setenv("TOKEN", token, 1);
        (void)setenv("AOLANI_LIBRARY", "/lib of ours/libaolani.so.1", 1);
        (void)setenv("LD_LIBRARY_PATH", "/lib of ours", 1);
        execv(p.path, p.argv);
        _exit(98);
    }
    assert_int_equal(waitpid(pid, &ret->status, 0), pid);
    read_back(out, ret->out, sizeof ret->out);
    read_back(err, ret->err, sizeof ret->err);
    program_fini(&p);
}

static void test_text_of_a_login_shell(void **state)
{
    (void)state;
    struct result r;
    run_with("module load mpi # for all\nmodule load cuda",
             "echo $MODULES $SITE; echo \"$TOKEN\"; pwd; echo \"$1\"; "
             "echo $LD_LIBRARY_PATH; env | grep -c AOLANI_KEEP; [ -e /proc/$$/fd/9 ]; "
             "echo $?",
             &r);
    char want[512];
    (void)snprintf(
        want, sizeof want,
        "base+mpi+cuda yes\nours 'and' \"$odd\"\n%s\nx  y\n/lib of ours\n0\n1\n", work);
    assert_string_equal(r.out, want);
    assert_non_null(strstr(r.err, "welcome to the cluster\nloaded mpi\nloaded cuda\n"));
    assert_int_equal(r.status, 0);
}

static void test_ends(void **state)
{
    (void)state;
    static const struct {
        const char *text, *program;
        int status;
        const char *says;
    } table[] = {
        {"true", "exit 7", 7, ""},
        {"true", "kill -9 $$", -9, ""},
        {"no-such-module-command x", "echo must not run", 127,
         "no-such-module-command"},
        {"exit 5", "echo must not run", 5, ""},
        {"false", "echo must not run", 1, ""},
        {"if true; then", "echo must not run", 2, "syntax error"},
        {"export LD_LIBRARY_PATH=/cuda",
         "[ \"$LD_LIBRARY_PATH\" = '/cuda:/lib of ours' ]", 0, ""},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct result r;
        run_with(table[i].text, table[i].program, &r);
        int status =
            WIFSIGNALED(r.status) ? -WTERMSIG(r.status) : WEXITSTATUS(r.status);
        if (status != table[i].status || r.out[0] || !strstr(r.err, table[i].says))
            fail_msg("\"%s\": status %d, output \"%s\", \"%s\"", table[i].text, status,
                     r.out, r.err);
    }
}

static void test_too_long(void **state)
{
    (void)state;
    char *argv[] = {(char *)"true"}, *text = malloc(200001);
    struct program p;
    struct err e;
    memset(text, ':', 200000);
    text[200000] = '\0';
    assert_int_equal(program_with_setup(argv, 1, text, NULL, 0, &p, &e), ERR_LIMIT);
    assert_non_null(strstr(e.text, "job.setup"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_of_a_login_shell),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_too_long),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
