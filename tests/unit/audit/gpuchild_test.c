/* SPDX-License-Identifier: MIT */
/* A child that asks a driver, and whatever that may do to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/audit/gpuchild.h"

#define ENOUGH 30000u /* ms: never waited for */

struct told {
    pid_t child;
    rlim_t core;
    bool answered;
};

static void answer(void *shared)
{
    ((struct told *)shared)->answered = true;
}

static void crash(void *shared)
{
    (void)shared;
    (void)raise(SIGABRT);
}

static void leave(void *shared)
{
    (void)shared;
    _exit(3);
}

static void look_at_core(void *shared)
{
    struct told *t = shared;
    struct rlimit r = {.rlim_cur = 1};
    (void)getrlimit(RLIMIT_CORE, &r);
    t->core = r.rlim_cur;
}

/* As a library that makes a daemon of its caller. */
static void close_all(void *shared)
{
    ((struct told *)shared)->child = getpid();
    for (int fd = 3; fd < 1024; fd++)
        (void)close(fd);
    for (;;)
        (void)pause();
}

static void flood(void *shared)
{
    char line[4096];
    memset(line, 'x', sizeof line);
    for (int i = 0; i < 1024; i++)
        if (write(i % 2 + 1, line, sizeof line) != (ssize_t)sizeof line)
            return;
    answer(shared);
}

static void hang(void *shared)
{
    ((struct told *)shared)->child = getpid();
    for (;;)
        (void)pause();
}

static const struct {
    const char *title;
    void (*ask)(void *shared);
    unsigned limit_ms;
    int rc;
    bool answers;
    const char *why;
} cases[] = {
    {"an answer", answer, ENOUGH, 0, true, ""},
    {"a flood", flood, ENOUGH, 0, true, ""},
    {"a crash", crash, ENOUGH, -EIO, false, "crashed (signal 6)"},
    {"an end", leave, ENOUGH, -EIO, false, "gave up (status 3)"},
    {"a daemon", close_all, ENOUGH, -EIO, false, "did not end with what it was asked"},
    {"nothing", hang, 50, -ETIMEDOUT, false, "did not answer within 0.1 s"},
};

static void test_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct told *t = gpuchild_memory(sizeof *t);
        struct err e = {0};
        assert_non_null(t);
        int rc = gpuchild_run(cases[i].ask, t, cases[i].limit_ms, &e);
        if (rc != cases[i].rc || t->answered != cases[i].answers ||
            !strstr(e.text, cases[i].why))
            fail_msg("%s: %d, \"%s\"", cases[i].title, rc, e.text);
        if (t->child && (kill(t->child, 0) == 0 || errno != ESRCH))
            fail_msg("%s: its child is left", cases[i].title);
        if (waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD)
            fail_msg("%s: its child is not waited for", cases[i].title);
        gpuchild_free(t, sizeof *t);
    }
}

/* What crashes in a driver leaves no file wherever the audit was started. */
static void test_core(void **state)
{
    struct told *t = gpuchild_memory(sizeof *t);
    struct err e = {0};
    struct rlimit before, much;
    (void)state;
    assert_non_null(t);
    assert_int_equal(getrlimit(RLIMIT_CORE, &before), 0);
    much = (struct rlimit){before.rlim_max, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_CORE, &much), 0);
    t->core = 1;
    assert_int_equal(gpuchild_run(look_at_core, t, ENOUGH, &e), 0);
    assert_int_equal(t->core, 0);
    assert_int_equal(setrlimit(RLIMIT_CORE, &before), 0);
    gpuchild_free(t, sizeof *t);
    gpuchild_free(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_core),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
