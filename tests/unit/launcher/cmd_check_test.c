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

/* Of the job file alone: what is on nodes, tests/e2e/13-check.bats tries. */
static int check(char *a, char *b)
{
    char *argv[] = {"check", "--offline", a, b, NULL};
    return run(verbs_find("check")->fn, argv);
}

static void test_what_is_right(void **state)
{
    (void)state;
    write_file("job.toml",
               "[job]\ncommand = [\"sh\", \"-c\", \"a 'b'\\u001b[2J\", \"\"]\n"
               "ranks_per_node = 2\ntime_limit = \"90s\"\noutput = \"new/runs\"\n"
               "[local]\nnodes = 3\n");
    assert_int_equal(check("job.toml", NULL), 0);
    assert_string_equal(words, "");
    assert_non_null(strstr(out, "job.toml: ok\n  runs sh -c 'a '\\''b'\\''?[2J' ''\n"));
    assert_non_null(
        strstr(out, "on 3 simulated nodes, 2 ranks each; at most 1 m 30 s"));
    assert_int_equal(check("--show", "job.toml"), 0);
    assert_null(strstr(out, ": ok"));
    assert_non_null(strstr(out, "job.time_limit"));
    assert_non_null(strstr(out, "job.toml:4"));
    write_file("job.toml", "[job]\ncommand = [\"true\"]\nranks_per_node = \"gpu\"\n");
    assert_int_equal(check("job.toml", NULL), 0);
    assert_non_null(strstr(out, "on 1 simulated node, a rank for each GPU; no time"));
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
        int status = check("job.toml", NULL);
        if (status != cases[i].status || !strstr(words, cases[i].want))
            fail_msg("case %zu: status %d\n%s", i, status, words);
    }
    assert_int_equal(check("nothing.toml", NULL), 2);
    assert_int_equal(check(NULL, NULL), 2);
    assert_int_equal(check("--sho", "job.toml"), 2);
    assert_int_equal(check("--help", NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_right),
        cmocka_unit_test(test_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
