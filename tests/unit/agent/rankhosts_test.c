/* SPDX-License-Identifier: MIT */
/* The ranks of a node, with the real /proc: one that works and one that was never there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/rankhosts.h"
#include "proto/base/clock.h"

static pid_t start_busy(void)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
        ;
}

static void test_a_rank_that_works(void **state)
{
    (void)state;
    struct rankhosts *h;
    struct rankhost_figures f;
    struct task tasks[] = {{.rank = 4, .state = TASK_RUNNING},
                           {.rank = 5, .state = TASK_NEW}};
    pid_t pid = tasks[0].pid = start_busy();
    assert_int_equal(rankhosts_create(tasks, 2, &h), 0);
    uint64_t began = clock_mono_ns(), from = began, now;
    for (;;) { /* it runs when it is let */
        now = clock_mono_ns();
        if (now - began > 30000000000u) {
            (void)kill(pid, SIGKILL);
            skip(); /* this kernel tells nothing of quotas or of run delay */
        }
        rankhosts_tick(h, now);
        if (rankhosts_over(h, 4, from, now, now, &f) && f.direct && f.cpu_ns > 0)
            break;
        if (now - from > 2000000000u)
            from = now;
        (void)usleep(50000);
    }
    assert_true(f.cpu_ns <= f.length_ns + 20000000);
    assert_false(rankhosts_over(h, 5, from, now, now, &f));
    assert_false(rankhosts_over(h, 6, from, now, now, &f));
    (void)kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    tasks[0].state = TASK_DONE;
    rankhosts_tick(h, now + 10000000000u);
    assert_false(rankhosts_over(h, 4, now, now + 10000000000u, now + 10000000000u, &f));
    rankhosts_destroy(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_rank_that_works)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
