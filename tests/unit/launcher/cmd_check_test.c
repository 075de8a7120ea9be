/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/verbs.h"

static char root[4096], folder[] = "/tmp/cmd_check_test.XXXXXX";
static char out[65536], words[65536]; /* of the last run: stdout, stderr */

static int setup(void **state)
{
    (void)state;
    setenv("AOLANI_SITE", "/dev/null", 1);
    return getcwd(root, sizeof root) && mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    char command[100];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return chdir(root) ? -1 : system(command);
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void read_file(const char *name, char *text, size_t len)
{
    FILE *f = fopen(name, "r");
    assert_non_null(f);
    text[fread(text, 1, len - 1, f)] = '\0';
    fclose(f);
}

/* The verb with these arguments, its words caught; its exit status. */
static int run(int (*verb)(int, char **), char **argv)
{
    int argc = 0, saved[2], status;
    static const char *const names[] = {"stdout", "stderr"};
    while (argv[argc])
        argc++;
    fflush(stdout);
    for (int i = 0; i < 2; i++) {
        int fd = open(names[i], O_WRONLY | O_CREAT | O_TRUNC, 0600);
        saved[i] = dup(i + 1);
        assert_true(fd >= 0 && saved[i] >= 0 && dup2(fd, i + 1) == i + 1);
        close(fd);
    }
    status = verb(argc, argv);
    fflush(stdout);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(dup2(saved[i], i + 1), i + 1);
        close(saved[i]);
    }
    read_file("stdout", out, sizeof out);
    read_file("stderr", words, sizeof words);
    return status;
}

static int check(char *a, char *b, char *c)
{
    char *argv[] = {"check", a, b, c, NULL};
    return run(verbs_find("check")->fn, argv);
}

static void test_what_is_right(void **state)
{
    (void)state;
    write_file("job.toml",
               "[job]\ncommand = [\"sh\", \"-c\", \"a 'b'\\u001b[2J\", \"\"]\n"
               "ranks_per_node = 2\ntime_limit = \"90s\"\noutput = \"new/runs\"\n"
               "[local]\nnodes = 3\n");
    assert_int_equal(check("job.toml", NULL, NULL), 0);
    assert_string_equal(words, "");
    assert_non_null(strstr(out, "job.toml: ok\n  runs sh -c 'a '\\''b'\\''?[2J' ''\n"));
    assert_non_null(
        strstr(out, "on 3 simulated nodes, 2 ranks each; at most 1 m 30 s"));
    assert_int_equal(check("--show", "job.toml", NULL), 0);
    assert_null(strstr(out, ": ok"));
    assert_non_null(strstr(out, "job.time_limit"));
    assert_non_null(strstr(out, "job.toml:4"));
}

static void test_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
        int status;
    } cases[] = {
        {"[job]\ncommand=[\"no-such-program\"]\n",
         "job.toml:2: there is no program \"no-such-program\" in PATH", 2},
        {"[job]\ncommand=[\"./here\"]\n",
         "job.toml:2: there is no program \"./here\" seen from", 2},
        {"[job]\ncommand=[\"/dev/null\"]\n", "there is no program \"/dev/null\"", 2},
        {"[job]\ncommand=[\"sh\"]\nworkdir=\"/none\"\n",
         "job.toml:3: there is no folder \"/none\" to start the program in", 2},
        {"[job]\ncommand=[\"sh\"]\noutput=\"job.toml/x\"\n", "Not a directory", 2},
        {"[job]\ncommand=[\"sh\"]\nenv={PATH=\"/none\"}\n", "in PATH", 2},
        {"[job]\ncommand=[\"sh\"]\n[nodes]\nhosts=\"a\"\n[ssh]\ncommand=[\"no-ssh\"]\n",
         "job.toml:6: there is no program \"no-ssh\" to reach hosts with", 2},
        {"[job]\ncommand=[\"no-such\"]\nsetup=\"module load x\"\n",
         "[job] setup may bring it", 0},
        {"[job]\n", "set [job] command", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_file("job.toml", cases[i].text);
        int status = check("job.toml", NULL, NULL);
        if (status != cases[i].status || !strstr(words, cases[i].want))
            fail_msg("case %zu: status %d\n%s", i, status, words);
    }
    assert_int_equal(check("nothing.toml", NULL, NULL), 2);
    assert_int_equal(check(NULL, NULL, NULL), 2);
    assert_int_equal(check("--sho", "job.toml", NULL), 2);
    assert_int_equal(check("--help", NULL, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_right),
        cmocka_unit_test(test_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
