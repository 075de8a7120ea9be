/* SPDX-License-Identifier: MIT */
/* The helper ends in the middle of whatever it does when nobody wants to know any more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/audit/parent.h"

struct helper {
    pid_t pid;
    int in, out; /* our ends */
};

static void busy(void)
{
    for (volatile unsigned i = 0;; i++)
        ;
}

/* It has something to read that it does not read, says that it is ready, and is busy. */
static void start(struct helper *h, int session)
{
    int in[2], out[2];
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    assert_int_equal(write(in[1], "not read", 8), 8);
    h->pid = fork();
    if (h->pid == 0) {
        close(in[1]);
        close(out[0]);
        if (session)
            (void)setsid();
        if (parent_watch(in[0], out[1], NULL) < 0 || write(out[1], "r", 1) != 1)
            _exit(9);
        busy();
    }
    close(in[0]);
    close(out[1]);
    h->in = in[1];
    h->out = out[0];
    char c;
    assert_int_equal(read(h->out, &c, 1), 1);
}

static int end_of(const struct helper *h)
{
    int status;
    assert_int_equal(waitpid(h->pid, &status, 0), h->pid);
    return status;
}

static void test_nobody_asks(void **state)
{
    struct helper h;
    (void)state;
    start(&h, 0);
    assert_int_equal(waitpid(h.pid, NULL, WNOHANG), 0);
    close(h.in);
    assert_int_equal(end_of(&h), W_EXITCODE(1, 0));
    close(h.out);
}

static void test_nobody_listens(void **state)
{
    struct helper h;
    (void)state;
    start(&h, 0);
    close(h.out);
    assert_int_equal(end_of(&h), W_EXITCODE(1, 0));
    close(h.in);
}

static void test_with_all_of_its_session(void **state)
{
    struct helper h;
    (void)state;
    start(&h, 1);
    close(h.in);
    assert_int_equal(end_of(&h), W_EXITCODE(0, SIGKILL));
    close(h.out);
}

/* Its parent dies while somebody else holds the pipes. */
static void test_the_parent_dies(void **state)
{
    int report[2];
    pid_t helper;
    int status;
    (void)state;
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    assert_int_equal(pipe(report), 0);
    pid_t parent = fork();
    if (parent == 0) {
        struct helper h;
        start(&h, 0);
        if (write(report[1], &h.pid, sizeof h.pid) != sizeof h.pid)
            _exit(1);
        if (fork() == 0) /* holds them */
            for (;;)
                pause();
        _exit(0);
    }
    assert_int_equal(read(report[0], &helper, sizeof helper), sizeof helper);
    assert_int_equal(waitpid(parent, NULL, 0), parent);
    assert_int_equal(waitpid(helper, &status, 0), helper);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    close(report[0]);
    close(report[1]);
    /* The one that holds them is ours now. */
    pid_t holder = 0;
    FILE *f = fopen("/proc/thread-self/children", "re");
    if (f && fscanf(f, "%d", &holder) == 1 && holder > 0) {
        (void)kill(holder, SIGKILL);
        (void)waitpid(holder, NULL, 0);
    }
    if (f)
        (void)fclose(f);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_asks),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_with_all_of_its_session),
        cmocka_unit_test(test_the_parent_dies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
