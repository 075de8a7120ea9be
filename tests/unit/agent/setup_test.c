/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/folders.h"
#include "agent/reap.h"
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
               "export PATH=/usr/bin:/site/bin; unset VIRTUAL_ENV; umask 077\n"
               "cd /\n");
    return folders_make_private(work, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    return folders_remove_tree(home, NULL);
}

/* A setup on a loop, as the agent's job runs it. */
struct bench {
    struct loop *loop;
    struct reap *reap;
    struct loop_timer *limit;
    struct setup *setup;
    struct setup_result result;
    struct err e;
    bool done;
    char words[8192];
};

static void on_line(void *arg, const char *text)
{
    struct bench *b = arg;
    size_t at = strlen(b->words);
    (void)snprintf(b->words + at, sizeof b->words - at, "%s\n", text);
}

static void on_done(void *arg, struct setup_result *r, const struct err *e)
{
    struct bench *b = arg;
    b->done = true;
    if (e) {
        b->e = *e;
    } else {
        b->result = *r;
        *r = (struct setup_result){0};
    }
    loop_stop(b->loop);
}

static void on_exit_of(void *arg, pid_t pid, int status, const struct rusage *usage)
{
    struct bench *b = arg;
    (void)usage;
    assert_true(setup_exited(b->setup, pid, status));
}

static void on_limit(void *arg)
{
    struct bench *b = arg;
    loop_stop(b->loop);
}

static Aolani__KeyValue kv_of(const char *key, const char *value)
{
    Aolani__KeyValue kv = AOLANI__KEY_VALUE__INIT;
    kv.key = (char *)key;
    kv.value = (char *)value;
    return kv;
}

static void run_text(struct bench *b, const char *text, uint64_t limit_ms)
{
    static const struct setup_ops ops = {.line = on_line, .done = on_done};
    Aolani__KeyValue kv[] = {kv_of("TOKEN", "ours 'and' \"$odd\""),
                             kv_of("a-b; echo", "1"), /* not for a shell */
                             kv_of("PWD", "/nowhere")};
    Aolani__KeyValue ahead[] = {kv_of("PATH", "/venv of head/bin:/usr/bin"),
                                kv_of("VIRTUAL_ENV", "/venv of head")};
    Aolani__KeyValue *env[] = {&kv[0], &kv[1], &kv[2]};
    Aolani__KeyValue *forwarded[] = {&ahead[0], &ahead[1]};
    char env_home[80];
    (void)snprintf(env_home, sizeof env_home, "HOME=%s", home);
    char *base[] = {env_home, (char *)"PATH=/usr/bin:/bin", (char *)"AOLANI_MARK=m",
                    NULL};
    Aolani__Prepare plan = AOLANI__PREPARE__INIT;
    plan.setup = (char *)text;
    plan.setup_ms = limit_ms;
    plan.env = env;
    plan.n_env = 3;
    plan.forwarded = forwarded;
    plan.n_forwarded = 2;
    plan.workdir = work;
    plan.umask = 027;
    memset(b, 0, sizeof *b);
    assert_int_equal(loop_create(&b->loop, NULL), 0);
    assert_int_equal(reap_create(b->loop, on_exit_of, b, &b->reap, NULL), 0);
    b->limit = loop_timer_create(b->loop, on_limit, b);
    struct setup_config c = {.loop = b->loop,
                             .plan = &plan,
                             .env = base,
                             .folder = home,
                             .cgroup_entrance = -1};
    assert_int_equal(setup_create(&c, &ops, b, &b->setup, NULL), 0);
    reap_add(b->reap, setup_pid(b->setup));
    loop_timer_start(b->limit, 20000, 0);
    loop_run(b->loop);
    assert_true(b->done);
}

static void finish(struct bench *b)
{
    setup_result_fini(&b->result);
    setup_destroy(b->setup);
    reap_destroy(b->reap);
    loop_timer_destroy(b->limit);
    loop_destroy(b->loop);
}

static void check(const struct bench *b, const char *name, const char *want)
{
    const char *got = envlist_value(&b->result.env, name);
    if ((got == NULL) != (want == NULL) || (got && strcmp(got, want) != 0))
        fail_msg("%s is \"%s\"; %s%s", name, got ? got : "(unset)", b->e.text,
                 b->words);
}

static void test_what_it_leaves(void **state)
{
    (void)state;
    struct bench b;
    run_text(&b,
             "module load mpi # for all\nmodule load cuda\n"
             "export PATH=/mod:$PATH LINES='a\nb' SEEN=\"$TOKEN\"\nls -l /proc/self/fd",
             10000);
    check(&b, "MODULES", "base+mpi+cuda");
    check(&b, "SITE", "yes");
    check(&b, "TOKEN", "ours 'and' \"$odd\"");
    check(&b, "SEEN", "ours 'and' \"$odd\"");
    check(&b, "VIRTUAL_ENV", "/venv of head");
    /* The text's, the head's, and what only the node has. */
    check(&b, "PATH", "/mod:/venv of head/bin:/usr/bin:/site/bin");
    check(&b, "LINES", "a\nb");
    check(&b, "AOLANI_MARK", NULL);
    check(&b, "AOLANI_SETUP_PWD", NULL);
    check(&b, "aolani_text", NULL);
    assert_string_equal(b.result.workdir, work);
    assert_int_equal(b.result.umask, 027);
    assert_non_null(
        strstr(b.words, "welcome to the cluster\nloaded mpi\nloaded cuda\n"));
    finish(&b);
}

static void test_umask_folder_and_limits(void **state)
{
    (void)state;
    struct bench b;
    run_text(&b, "cd ..; umask 002; ulimit -Sc 0; ulimit -Sn 77", 10000);
    assert_string_equal(b.result.workdir, home);
    assert_int_equal(b.result.umask, 002);
    assert_true(b.result.limits.known[RLIMITS_NOFILE]);
    assert_int_equal(b.result.limits.v[RLIMITS_NOFILE].rlim_cur, 77);
    assert_int_equal(b.result.limits.v[RLIMITS_CORE].rlim_cur, 0);
    finish(&b);
}

static void test_failures(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t limit_ms;
        const char *says;
    } table[] = {
        {"no-such-module x", 10000, "run job.setup: status 127: setup: line "},
        {"no-such-module x", 10000, "no-such-module"},
        {"echo words; exit 5", 10000, "run job.setup: status 5: words"},
        {"false", 10000, "run job.setup: status 1: welcome"},
        {"set -e\nfalse\ntrue", 10000, "run job.setup: status 1"},
        {"if true; then", 10000, "syntax error"},
        {"echo 'unfinished", 10000, "unexpected EOF"},
        {"kill -9 $$", 10000, "run job.setup: signal 9 (Killed)"},
        {"echo bye; exit 0", 10000, "left its shell before its end: bye"},
        {"exec true", 10000, "left its shell before its end"},
        {"printf 'still \\033[1mhere'; sleep 100", 500,
         "run job.setup: not ended within 500 ms: still  [1mhere"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct bench b;
        run_text(&b, table[i].text, table[i].limit_ms);
        if (b.e.code != ERR_REFUSED || !strstr(b.e.text, table[i].says))
            fail_msg("\"%s\": %d \"%s\"", table[i].text, b.e.code, b.e.text);
        finish(&b);
    }
}

static void test_noise_and_size(void **state)
{
    (void)state;
    struct bench b;
    run_text(
        &b,
        "yes noise | head -c 3000000; head -c 100000 /dev/zero | tr '\\0' x; echo\n"
        "for i in 1 2 3 4 5 6 7 8 9 10; do "
        "export BIG$i=\"$(head -c 100000 /dev/zero | tr '\\0' y)\"; done\n"
        "(sleep 100; echo late) &",
        15000);
    assert_non_null(strstr(b.words, "noise\n(more is not shown)\n"));
    assert_int_equal(strlen(envlist_value(&b.result.env, "BIG10")), 100000);
    finish(&b);
}

static void test_ended_from_outside(void **state)
{
    (void)state;
    struct bench b;
    run_text(&b, "true", 10000);
    pid_t none = setup_pid(b.setup);
    assert_int_equal(none, 0);
    assert_false(setup_exited(b.setup, 1, 0));
    assert_false(setup_exited(NULL, 1, 0));
    finish(&b);
    setup_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_it_leaves),
        cmocka_unit_test(test_umask_folder_and_limits),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_noise_and_size),
        cmocka_unit_test(test_ended_from_outside),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
