/* SPDX-License-Identifier: MIT */
/* What is run here stands for any command; Slurm itself is asked in tests/e2e. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "launcher/slurm/ask_impl.h"

struct answer {
    struct loop *loop;
    struct slurm_ask *ask;
    char out[4096];
    struct err e;
    unsigned n;
};

static void on_run(void *arg, const struct buf *out, const struct err *e)
{
    struct answer *a = arg;
    a->n++;
    a->e = *e;
    if (out) {
        a->e.code = 0;
        (void)snprintf(a->out, sizeof a->out, "%s", (const char *)out->data);
    }
    slurm_ask_destroy(a->ask); /* from within */
    loop_stop(a->loop);
}

static void run_on_loop(char *const *argv, struct answer *a)
{
    *a = (struct answer){0};
    assert_int_equal(loop_create(&a->loop, NULL), 0);
    if (slurm_ask_run(a->loop, argv, on_run, a, &a->ask, &a->e) == 0) {
        loop_run(a->loop);
        assert_int_equal(a->n, 1);
    }
    loop_destroy(a->loop);
}

static void run_without(char *const *argv, struct answer *a)
{
    struct buf out;
    *a = (struct answer){0};
    buf_init(&out, SLURM_ASK_BYTES);
    if (slurm_run_now(argv, NULL, &out, &a->e) == 0)
        (void)snprintf(a->out, sizeof a->out, "%s", (const char *)out.data);
    buf_fini(&out);
}

static void test_run(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        const char *out, *error; /* of error: what it ends with; NULL: none */
    } rows[] = {
        {"echo a; echo b", "a\nb\n", NULL},
        {"", "", NULL},
        {"cat", "", NULL}, /* its input is empty, and at its end */
        {"echo words >&2; echo out", "out\n", NULL},
        {"echo first >&2; echo last >&2; exit 1", "", "\": last"},
        {"echo 'sh: error: too bad' >&2; exit 1", "", "\": too bad"},
        {"exit 3", "", "\": it failed without a word (exit status 3)"},
        {"kill -TERM $$", "", "\": it was ended by signal 15 (Terminated)"},
        {"printf '\\033[2Jred' >&2; exit 1", "", "\": [2Jred"},
        {"echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1", "",
         "\": Slurm knows no such job (any more)"},
        {"head -c 1048577 /dev/zero", "", "\": it printed more than 1024 KiB"},
        {"exec >&- 2>&-; exit 4", "", "(exit status 4)"},
        /* A grandchild that keeps the pipes is not waited for. */
        {"echo a; setsid sleep 5 & :", "a\n", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char sh[] = "sh", c[] = "-c", script[256];
        char *argv[] = {sh, c, script, NULL};
        (void)snprintf(script, sizeof script, "%s", rows[i].script);
        for (int way = 0; way < 2; way++) {
            struct answer a;
            (way == 0 ? run_on_loop : run_without)(argv, &a);
            assert_string_equal(a.out, rows[i].out);
            const char *want = rows[i].error ? rows[i].error : "";
            size_t n = strlen(a.e.text), m = strlen(want);
            if (n < m || strcmp(a.e.text + n - m, want) != 0)
                fail_msg("%s: %s", script, a.e.text);
            assert_int_equal(a.e.code == 0, rows[i].error == NULL);
        }
    }
}

static void test_not_there(void **state)
{
    (void)state;
    char name[] = "no-such-command-of-slurm";
    char *argv[] = {name, NULL};
    for (int way = 0; way < 2; way++) {
        struct answer a;
        (way == 0 ? run_on_loop : run_without)(argv, &a);
        assert_int_equal(a.e.code, -ENOENT);
        assert_string_equal(a.e.text,
                            "run \"no-such-command-of-slurm\": Slurm's commands "
                            "are not in PATH");
        assert_string_equal(a.e.hint,
                            "load the site's module for Slurm, or add the folder "
                            "of its commands to PATH");
    }
}

static void test_input(void **state)
{
    (void)state;
    char cat[] = "cat", sh[] = "sh", c[] = "-c", none[] = "exit 0";
    char *const copy[] = {cat, NULL}, *const deaf[] = {sh, c, none, NULL};
    size_t n = 900000; /* more than a pipe holds: written and read by turns */
    char *text = malloc(n + 1);
    struct buf out;
    struct err e = {0};
    assert_non_null(text);
    memset(text, 'x', n);
    text[n] = '\0';
    buf_init(&out, SLURM_ASK_BYTES);
    assert_int_equal(slurm_run_now(copy, text, &out, &e), 0);
    assert_int_equal(out.len, n);
    out.len = 0;
    assert_int_equal(slurm_run_now(deaf, text, &out, &e), 0);
    assert_int_equal(out.len, 0);
    buf_fini(&out);
    free(text);
}

/* ---- environment ---- */

static const char *in_env(char **env, const char *name)
{
    size_t n = strlen(name);
    for (; env && *env; env++) {
        if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
            return *env + n + 1;
    }
    return NULL;
}

static void test_env(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value, *query; /* as a command that asks has it; NULL: not */
    } rows[] = {
        {"SQUEUE_FORMAT", "%i", NULL},      {"SQUEUE_SORT", "u", NULL},
        {"SCANCEL_INTERACTIVE", "1", NULL}, {"SCONTROL_FEDERATION", "1", NULL},
        {"SINFO_FORMAT", "%N", NULL},       {"SLURM_TIME_FORMAT", "relative", "%s"},
        {"LC_ALL", "de_DE.UTF-8", "C"},     {"SLURM_JSON", "x", NULL},
        {"SLURM_CONF", "/etc/x", "/etc/x"}, {"SLURM_CLUSTERS", "big", "big"},
        {"SBATCH_ACCOUNT", "me", "me"},     {"SBATCH_WAIT", "1", "1"},
    };
    char **env;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        (void)setenv(rows[i].name, rows[i].value, 1);
    assert_int_equal(askcmd_env("squeue", &env), 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *v = in_env(env, rows[i].name);
        assert_int_equal(v == NULL, rows[i].query == NULL);
        if (v)
            assert_string_equal(v, rows[i].query);
    }
    assert_non_null(in_env(env, "PATH"));
    free(env);
    /* What a job inherits is the user's, but for what a run cannot have. */
    static const char *const hands_on[] = {"sbatch", "salloc"};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(askcmd_env(hands_on[i], &env), 0);
        for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
            const char *v = in_env(env, rows[k].name);
            if (strcmp(rows[k].name, "SBATCH_WAIT") == 0)
                assert_null(v);
            else
                assert_string_equal(v, rows[k].value);
        }
        free(env);
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        (void)unsetenv(rows[i].name);
}

/* ---- its end ---- */

static void on_never(void *arg, const struct buf *out, const struct err *e)
{
    (void)arg;
    (void)out;
    (void)e;
    fail();
}

static void on_tick(void *arg)
{
    loop_stop(arg);
}

/* Let go of, it ends with all that it started; nothing is told. */
static void test_destroy(void **state)
{
    (void)state;
    char sh[] = "sh", c[] = "-c", script[96];
    char *const argv[] = {sh, c, script, NULL};
    int fd[2];
    char some[8];
    struct loop *l;
    struct slurm_ask *a;
    assert_int_equal(pipe(fd), 0);
    assert_int_equal(loop_create(&l, NULL), 0);
    /* Both hold the pipe: it ends when both are gone. Descriptors do not go on to
     * commands, so they open it. */
    (void)snprintf(script, sizeof script,
                   "exec 9>/proc/%d/fd/%d; sleep 60 & echo up >&9; wait", (int)getpid(),
                   fd[1]);
    assert_int_equal(slurm_ask_run(l, argv, on_never, NULL, &a, NULL), 0);
    assert_int_equal(read(fd[0], some, 3), 3);
    (void)close(fd[1]);
    slurm_ask_destroy(a);
    assert_int_equal(read(fd[0], some, sizeof some), 0);
    struct loop_timer *t = loop_timer_create(l, on_tick, l);
    loop_timer_start(t, 50, 0);
    loop_run(l);
    loop_timer_destroy(t);
    loop_destroy(l);
    (void)close(fd[0]);
    slurm_ask_destroy(NULL);
}

/* ---- the job of an answer ---- */

static void test_job(void **state)
{
    (void)state;
#define LINE(id)                                                                   \
    "JobId=" #id " ArrayJobId=12 JobName=x UserId=y JobState=RUNNING Reason=None " \
    "StartTime=N/A EndTime=N/A Partition=p NodeList=n" #id "\n"
    static const struct {
        const char *text, *node; /* or the error */
    } rows[] = {
        {LINE(12), "n12"},
        {LINE(120) LINE(13) LINE(12), "n12"},
        {LINE(120), "ask for job 12: Slurm says nothing of it"},
        {"", "ask for job 12: Slurm says nothing of it"},
        {"JobId=12 no", "read what scontrol says of job 12: no JobName"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf b;
        struct slurm_job j = {0};
        struct err e = {0};
        buf_init(&b, 4096);
        (void)buf_add(&b, rows[i].text, strlen(rows[i].text));
        int rc = askcmd_job(&b, 12, &j, &e);
        assert_string_equal(rc < 0 ? e.text : j.nodes[0].name, rows[i].node);
        slurm_job_fini(&j);
        buf_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run),     cmocka_unit_test(test_not_there),
        cmocka_unit_test(test_input),   cmocka_unit_test(test_env),
        cmocka_unit_test(test_destroy), cmocka_unit_test(test_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
