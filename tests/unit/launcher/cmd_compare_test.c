/* SPDX-License-Identifier: MIT */
/* The verb compare: its words, what it takes for runs, and its exit status. */
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

#define WORDS 16

static char golden[65536];

/* compare with the words of a line. */
static int compare(const char *line)
{
    char copy[512], *argv[WORDS + 2] = {"compare"};
    int n = 1;
    snprintf(copy, sizeof copy, "%s", line);
    for (char *w = strtok(copy, " "); w && n <= WORDS; w = strtok(NULL, " "))
        argv[n++] = w;
    return run(verbs_find("compare")->fn, argv);
}

/* A run made of the golden one: another identity, and a piece of its text replaced. */
static void make_run(const char *name, const char *from, const char *to)
{
    char path[100], id[40], *at;
    static char text[70000];
    if (!golden[0]) {
        snprintf(text, sizeof text, "%s/tests/golden/report/good.json", root);
        read_file(text, golden, sizeof golden);
    }
    snprintf(text, sizeof text, "%s", golden);
    snprintf(id, sizeof id, "%.16s", name);
    at = strstr(text, "00112233445566aa");
    memset(at, '0', 16);
    memcpy(at, id, strlen(id));
    if (from) {
        at = strstr(text, from);
        if (!at)
            fail_msg("no \"%s\" in the golden run", from);
        memmove(at + strlen(to), at + strlen(from), strlen(at + strlen(from)) + 1);
        memcpy(at, to, strlen(to));
    }
    (void)mkdir(name, 0700);
    snprintf(path, sizeof path, "%s/run.json", name);
    write_file(path, text);
}

static void make_runs(void)
{
    make_run("a1", NULL, NULL);
    make_run("a2", "\"t_sum_us\":3705150", "\"t_sum_us\":3705950");
    make_run("a3", "\"t_sum_us\":3705150", "\"t_sum_us\":3704350");
    make_run("b1", "\"t_sum_us\":3705150", "\"t_sum_us\":4446180");
    make_run("b2", "\"t_sum_us\":3705150", "\"t_sum_us\":4446980");
    make_run("b3", "\"t_sum_us\":3705150", "\"t_sum_us\":4445380");
}

static void test_two_sides(void **state)
{
    (void)state;
    make_runs();
    static const struct {
        const char *line;
        const char *want[3];
    } cases[] = {
        {"a1 a2 a3 -- b1 b2 b3", {"\na tax of 20.0 %: B", "between 19.9 %", "take A"}},
        {"a1 a2 a3 -- b1 b2 b3 --days 30",
         {"30.0 days on A are 36.0 days on B", "16.7 % of the bill", "1.20 times"}},
        {"--labels metal,vm a1 a2 a3 -- b1 b2 b3 --paired",
         {"a tax of 20.0 %: vm", "Runs, in pairs", "take metal"}},
        {"a1 a2 a3 -- b1 b2 b3 --price 3,2",
         {"a VM is fine here, if B is one", "1.50 times"}},
        {"a1 a2 a3 -- b1 b2 b3 --gpu-share 10%",
         {"10.0 %: the tax is 1.7 % of", "fine here"}},
        {"a1/run.json b1", {"between-run variance unknown", "not decided"}},
        {"a1 -- b1 b2 b3", {"between-run variance unknown", "not decided"}},
        {"a1 a2 -- a1 a2", {"no tax can be shown: between -", "are the same run"}},
        {"b1 b2 b3 -- a1 a2 a3", {"no tax: B is faster than A", "take B"}},
        {"a1 a2 a3 -- b1 b2 b3 --json",
         {"\"verdict\": \"matters\"", "\"between\": true"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int status = compare(cases[i].line);
        if (status != 0 || *words)
            fail_msg("%s: status %d: %s", cases[i].line, status, words);
        for (int k = 0; k < 3 && cases[i].want[k]; k++)
            if (!strstr(out, cases[i].want[k]))
                fail_msg("%s: no \"%s\" in\n%s", cases[i].line, cases[i].want[k], out);
    }
}

static void test_programs_are_compared(void **state)
{
    (void)state;
    make_runs();
    write_file("a1/spec.toml", "[job]\ncommand = [\"train\", \"--size\", \"1\"]\n");
    write_file("b1/spec.toml", "[job]\ncommand = [\"train\", \"--size\", \"2\"]\n");
    assert_int_equal(compare("a1 b1"), 0);
    assert_non_null(
        strstr(out, "program and arguments: \"train --size 1\" (A) against"));
    /* What cannot be read says nothing; it is no error. */
    write_file("b1/spec.toml", "[job\ncommand = 3");
    assert_int_equal(compare("a1 b1"), 0);
    assert_null(strstr(out, "program and arguments"));
    assert_string_equal(words, "");
    unlink("a1/spec.toml");
    unlink("b1/spec.toml");
    /* Nor is a pipe that nobody writes to waited for. */
    assert_int_equal(mkfifo("b1/spec.toml", 0600), 0);
    assert_int_equal(compare("a1 b1"), 0);
    assert_null(strstr(out, "program and arguments"));
    unlink("b1/spec.toml");
    write_file("b1/spec.toml", "");
    assert_int_equal(compare("a1 b1"), 0);
    unlink("b1/spec.toml");
}

static void test_what_is_refused(void **state)
{
    (void)state;
    make_runs();
    make_run("nothing", "\"closed\":176", "\"closed\":0");
    make_run("minus", "\"closed\":176", "\"closed\":-1");
    make_run("absurd", "\"t_sum_us\":3705150", "\"t_sum_us\":9223372036854775807");
    write_file("text", "hello");
    write_file("half", "{\"schema\": 1, \"run\": {");
    static const struct {
        const char *line, *want;
    } cases[] = {
        {"", "compare what?"},
        {"a1", "there is no \"--\" between the sides"},
        {"a1 a2 b1", "there is no \"--\" between the sides"},
        {"-- b1", "one side of the \"--\" has no run"},
        {"a1 --", "one side of the \"--\" has no run"},
        {"a1 -- b1 -- a2", "a second \"--\""},
        {"a1 none", "find the run \"none\": No such file"},
        {"a1 text", "read \"text\": "},
        {"half b1", "read \"half\": "},
        {"a1 /dev/null", "no run.json"},
        {"a1 nothing", "compare \"nothing\": it has no steps to compare"},
        {"a1 minus", "\"closed\" in \"steps\" is not a count"},
        {"a1 absurd", "compare runs: "},
        {"a1 a2 -- b1 --paired", "in pairs: 2 against 1"},
        {"a1 b1 --days 0", "--days \"0\": expected a number of days"},
        {"a1 b1 --days nan", "expected a number of days"},
        {"a1 b1 --days 30d", "expected a number of days"},
        {"a1 b1 --price 3", "expected two prices"},
        {"a1 b1 --price 3,-1", "expected two prices"},
        {"a1 b1 --price 3,1,2", "expected two prices"},
        {"a1 b1 --price-ratio inf", "expected a number"},
        {"a1 b1 --gpu-share 120", "expected percent"},
        {"a1 b1 --gpu-share 12%%", "expected percent"},
        {"a1 b1 --labels vm", "expected two words"},
        {"a1 b1 --labels vm,", "expected two words"},
        {"a1 b1 --labels \x1b[31mvm,metal", "expected two words"},
        {"a1 b1 --labels a-label-that-is-long,b", "expected two words"},
        {"a1 b1 --show", "option \"--show\" is not one of aolani-run compare"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int status = compare(cases[i].line);
        if (status != 2 || !strstr(words, cases[i].want) || *out)
            fail_msg("\"%s\": status %d\n%s%s", cases[i].line, status, words, out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_sides),
        cmocka_unit_test(test_programs_are_compared),
        cmocka_unit_test(test_what_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
