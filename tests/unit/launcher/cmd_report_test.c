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
#include "tests/lib/verb.h"

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
