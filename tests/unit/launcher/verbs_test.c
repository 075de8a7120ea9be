/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "launcher/verbs.h"
#include "proto/base/log.h"

/* In the place of the real verbs: who was called, and with what. */
static char called[200], said[600];

static int note(const char *verb, int argc, char **argv)
{
    snprintf(called, sizeof called, "%s", verb);
    for (int i = 1; i < argc; i++)
        snprintf(called + strlen(called), sizeof called - strlen(called), " %s",
                 argv[i]);
    return 7;
}

int cmd_run(int argc, char **argv)
{
    return note("run", argc, argv);
}

int cmd_check(int argc, char **argv)
{
    return note("check", argc, argv);
}

int cmd_plan(int argc, char **argv)
{
    return note("plan", argc, argv);
}
int cmd_report(int argc, char **argv)
{
    return note("report", argc, argv);
}

int cmd_compare(int argc, char **argv)
{
    return note("compare", argc, argv);
}

int cmd_audit(int argc, char **argv)
{
    return note("audit", argc, argv);
}

int cmd_resume(int argc, char **argv)
{
    return note("resume", argc, argv);
}

int cmd_submit(int argc, char **argv)
{
    return note("submit", argc, argv);
}

int cmd_status(int argc, char **argv)
{
    return note("status", argc, argv);
}

int cmd_logs(int argc, char **argv)
{
    return note("logs", argc, argv);
}

int cmd_stop(int argc, char **argv)
{
    return note("stop", argc, argv);
}

static void sink(enum log_level level, const char *line, void *arg)
{
    (void)level;
    (void)arg;
    snprintf(said + strlen(said), sizeof said - strlen(said), "%s\n", line);
}

static void test_dispatch(void **state)
{
    (void)state;
    static const struct {
        const char *words[5];
        const char *called; /* NULL: refused with status 2 */
        const char *said;
    } t[] = {
        {{"job.toml"}, "run job.toml", ""},
        {{"./run"}, "run ./run", ""},
        {{"run", "job.toml", "-l"}, "run job.toml -l", ""},
        {{"check", "job.toml"}, "check job.toml", ""},
        {{"report", "runs"}, "report runs", ""},
        {{"compare", "a", "--", "b"}, "compare a -- b", ""},
        {{"submit", "job.toml", "--print"}, "submit job.toml --print", ""},
        {{"status"}, "status", ""},
        {{"logs", "-f", "17"}, "logs -f 17", ""},
        {{"stop", "runs"}, "stop runs", ""},
        {{"-N", "2", "job.toml"}, "run -N 2 job.toml", ""},
        {{"no/such/file"}, "run no/such/file", ""},
        {{0}, NULL, "usage: aolani-run job.toml"},
        {{"chekc", "job.toml"}, NULL, "did you mean \"check\"?"},
        {{"zzz"}, NULL, "no verb and no job file \"zzz\""},
        {{"plan", "job.toml", "--json"}, "plan job.toml --json", ""},
        {{"audit", "--local"}, "audit --local", ""},
        {{"attach", "job.toml"}, NULL, "the verb \"attach\" is not in this version"},
    };
    log_setup("aolani-run", LOG_NOTE_, sink, NULL);
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        char *argv[7] = {"aolani-run"};
        int argc = 1;
        for (; t[i].words[argc - 1]; argc++)
            argv[argc] = (char *)t[i].words[argc - 1];
        called[0] = said[0] = '\0';
        assert_int_equal(verbs_main(argc, argv), t[i].called ? 7 : 2);
        assert_string_equal(called, t[i].called ? t[i].called : "");
        assert_non_null(strstr(said, t[i].said));
    }
    log_setup("aolani-run", LOG_NOTE_, NULL, NULL);
}

static void test_names(void **state)
{
    (void)state;
    assert_non_null(verbs_find("run"));
    assert_non_null(verbs_find("plan"));
    assert_non_null(verbs_find("audit"));
    assert_null(verbs_find("attach"));
    assert_true(verbs_name_exists("attach"));
    assert_false(verbs_name_exists("job.toml"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dispatch),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
