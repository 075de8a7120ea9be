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

static char root[4096], folder[] = "/tmp/cmd_report_test.XXXXXX";
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

static int report(char *a, char *b)
{
    char *argv[] = {"report", a, b, NULL};
    return run(verbs_find("report")->fn, argv);
}

static void copy_golden(const char *to)
{
    char path[4200];
    static char text[65536];
    snprintf(path, sizeof path, "%s/tests/golden/report/good.json", root);
    read_file(path, text, sizeof text);
    write_file(to, text);
}

static void test_a_run_is_found_by_any_of_its_names(void **state)
{
    (void)state;
    static char page[65536], json[65536];
    assert_int_equal(mkdir("runs", 0700) | mkdir("runs/a", 0700), 0);
    assert_int_equal(symlink("a", "runs/latest"), 0);
    copy_golden("runs/a/run.json");
    assert_int_equal(report("runs", NULL), 0);
    assert_string_equal(words, "");
    assert_non_null(strstr(out, "\ntrain: all ranks ended with status 0"));
    memcpy(page, out, sizeof page);
    assert_int_equal(report("runs/a", NULL), 0);
    assert_string_equal(out, page);
    assert_int_equal(report("runs/latest/run.json", NULL), 0);
    assert_string_equal(out, page);
    read_file("runs/a/run.json", json, sizeof json);
    assert_int_equal(report("--json", "runs"), 0);
    assert_string_equal(out, json);
}

static void test_what_is_no_run(void **state)
{
    (void)state;
    assert_int_equal(mkdir("dead", 0700) | mkdir("empty", 0700), 0);
    write_file("dead/journal", "");
    write_file("text", "hello");
    write_file("half", "{\"format\": 1, \"run\": {");
    write_file("nothing", "");
    static const struct {
        char *name;
        const char *want;
    } cases[] = {
        {"none", "find the run \"none\": No such file or directory"},
        {"empty", "name a run directory, or the folder that holds them"},
        {"dead", "this one goes on, or its launcher died"},
        {"text", "read \"text\": "},
        {"half", "read \"half\": "},
        {"nothing", "read \"nothing\": "},
        {"/dev/null", "no run.json"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int status = report(cases[i].name, NULL);
        if (status == 0 || !strstr(words, cases[i].want) || *out)
            fail_msg("%s: status %d\n%s%s", cases[i].name, status, words, out);
    }
    assert_int_equal(report(NULL, NULL), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_run_is_found_by_any_of_its_names),
        cmocka_unit_test(test_what_is_no_run),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
