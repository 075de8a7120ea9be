/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/proc.h"
#include "agent/reap.h"
#include "agent/task.h"
#include "agent/teardown.h"

/* ---- the table ---- */

static void test_the_life_of_a_task(void **state)
{
    (void)state;
    for (int s = 0; s < TASK_STATES; s++) {
        bool alive = s != TASK_NEW && s != TASK_DONE;
        /* Whatever lives can be stopped, and can end by itself. */
        assert_int_equal(task_next((enum task_state)s, TASK_EV_STOP) >= 0, alive);
        assert_int_equal(task_next((enum task_state)s, TASK_EV_EXITED),
                         alive ? (int)TASK_DONE : -1);
        assert_int_equal(task_next(TASK_DONE, (enum task_event)s), -1);
    }
    assert_int_equal(task_next(TASK_STOPPING, TASK_EV_EXECUTED), TASK_STOPPING);
    assert_int_equal(task_next(TASK_RUNNING, TASK_EV_FORKED), -1);
}

/* ---- with real processes ---- */

struct bench {
    struct loop *loop;
    struct reap *reap;
    struct loop_timer *limit;
    struct task task;
    struct teardown *teardown;
    bool settled, exited, timed_out;
    pid_t pid;
    int status;
};

static void on_limit(void *arg)
{
    struct bench *b = arg;
    b->timed_out = true;
    loop_stop(b->loop);
}

static void on_exit_of(void *arg, pid_t pid, int status, const struct rusage *usage)
{
    struct bench *b = arg;
    b->pid = pid;
    b->status = status;
    b->exited = true;
    if (b->task.pid == pid)
        task_exited(&b->task, status, usage);
    loop_stop(b->loop);
}

static void on_settled(void *arg, struct task *t)
{
    struct bench *b = arg;
    (void)t;
    b->settled = true;
}

static void begin(struct bench *b)
{
    memset(b, 0, sizeof *b);
    assert_int_equal(loop_create(&b->loop, NULL), 0);
    assert_int_equal(reap_create(b->loop, on_exit_of, b, &b->reap, NULL), 0);
    b->limit = loop_timer_create(b->loop, on_limit, b);
    loop_timer_start(b->limit, 30000, 0);
    task_init(&b->task, 0, "", on_settled, b);
}

static void finish(struct bench *b)
{
    task_fini(&b->task);
    teardown_destroy(b->teardown);
    reap_destroy(b->reap);
    loop_timer_destroy(b->limit);
    loop_destroy(b->loop);
}

static void start(struct bench *b, const char *path, const char *script,
                  char *const *env)
{
    static char *const plain[] = {NULL};
    char *const argv[] = {(char *)"sh", (char *)"-c", (char *)script, NULL};
    struct spawn_spec s = {.path = path,
                           .argv = argv,
                           .env = env ? env : plain,
                           .workdir = "/",
                           .fd_in = -1,
                           .fd_out = 1,
                           .fd_err = 2,
                           .cgroup_entrance = -1};
    assert_int_equal(task_start(&b->task, b->loop, &s, NULL), 0);
    reap_add(b->reap, b->task.pid);
}

static void run(struct bench *b)
{
    loop_run(b->loop);
    assert_false(b->timed_out);
}

static void await_stop(pid_t pid)
{
    struct proc_stat st = {0};
    for (int i = 0; i < 2000 && st.state != 'T'; i++) {
        (void)usleep(10000);
        assert_int_equal(proc_stat_read(pid, &st), 0);
    }
    assert_int_equal(st.state, 'T');
}

static void test_exit_signal_and_failure(void **state)
{
    (void)state;
    struct bench b;
    begin(&b);
    start(&b, "/bin/sh", "exit 5", NULL);
    run(&b);
    assert_true(b.settled);
    assert_int_equal(b.task.state, TASK_DONE);
    assert_int_equal(WEXITSTATUS(b.task.wait_status), 5);
    assert_false(b.task.ended_by_us);
    assert_true(b.task.t_exit_ns >= b.task.t_exec_ns);
    finish(&b);

    begin(&b);
    start(&b, "/no/such", "", NULL);
    run(&b);
    assert_int_equal(b.task.outcome.call, SPAWN_EXEC);
    assert_int_equal(b.task.outcome.error, ENOENT);
    finish(&b);

    begin(&b);
    start(&b, "/bin/sh", "trap '' TERM; kill -STOP $$; sleep 60", NULL);
    await_stop(b.task.pid);
    assert_int_equal(task_signal(&b.task, SIGTERM, true), 0);
    assert_int_equal(task_signal(&b.task, SIGKILL, true), 0);
    run(&b);
    assert_int_equal(WTERMSIG(b.task.wait_status), SIGKILL);
    assert_true(b.task.ended_by_us);
    assert_int_equal(task_signal(&b.task, SIGKILL, true), 0); /* too late is fine */
    finish(&b);
}

static void on_done(void *arg)
{
    struct bench *b = arg;
    loop_stop(b->loop);
}

static void tear_down(struct bench *b, const char *mark)
{
    struct teardown_config c = {.mark = mark};
    assert_int_equal(teardown_create(b->loop, &c, on_done, b, &b->teardown, NULL), 0);
    run(b);
}

static void test_a_clean_end(void **state)
{
    (void)state;
    struct bench b;
    begin(&b);
    start(&b, "/bin/sh", "exit 0", NULL);
    run(&b);
    tear_down(&b, "AOLANI_MARK=teardowntest.0");
    const Aolani__NodeDone *r = teardown_result(b.teardown);
    assert_int_equal(r->result, AOLANI__TEARDOWN__CLEAN);
    assert_true(r->proven);
    assert_int_equal(r->killed, 0);
    teardown_note(b.teardown, true, "a file is left");
    assert_false(r->proven);
    assert_string_equal(r->evidence[r->n_evidence - 1], "a file is left");
    finish(&b);
}

struct count {
    unsigned n;
};

static bool count_children(void *arg, pid_t pid)
{
    struct count *c = arg;
    struct proc_stat st;
    c->n += proc_stat_read(pid, &st) == 0 && st.ppid == getpid() && st.state != 'Z';
    return true;
}

/* A rank that leaves processes behind which have left its session, ignore TERM, or have
 * wiped their environment: nothing may slip away. */
static void test_what_a_rank_leaves_behind(void **state)
{
    (void)state;
    char *const env[] = {(char *)"AOLANI_MARK=teardowntest.1",
                         (char *)"PATH=/usr/bin:/bin", NULL};
    struct bench b;
    struct count c = {0};
    begin(&b);
    start(&b, "/bin/sh",
          "setsid sleep 300 & (setsid env -i sleep 300 &); "
          "(trap '' TERM; sleep 300; sleep 300) & sleep 0.2; exit 0",
          env);
    run(&b);
    assert_int_equal(WEXITSTATUS(b.task.wait_status), 0);
    tear_down(&b, "AOLANI_MARK=teardowntest.1");
    const Aolani__NodeDone *r = teardown_result(b.teardown);
    assert_int_equal(r->result, AOLANI__TEARDOWN__FORCED);
    assert_true(r->proven);
    assert_true(r->killed >= 4);
    assert_int_equal(proc_each(count_children, &c), 0);
    assert_int_equal(c.n, 0);
    finish(&b);
}

/* Orphans are waited for, so that none stays a zombie. */
static void test_orphans_are_reaped(void **state)
{
    (void)state;
    struct bench b;
    begin(&b);
    start(&b, "/bin/sh", "for i in 1 2 3 4 5; do (sleep 0.05 &); done; exit 0", NULL);
    run(&b);
    assert_true(b.exited);
    bool child = true;
    for (int i = 0; i < 100 && child; i++) {
        siginfo_t si = {0};
        loop_timer_start(b.limit, 200, 0);
        loop_run(b.loop);
        child = waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) == 0;
    }
    assert_false(child);
    assert_int_equal(errno, ECHILD);
    finish(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_life_of_a_task),
        cmocka_unit_test(test_exit_signal_and_failure),
        cmocka_unit_test(test_a_clean_end),
        cmocka_unit_test(test_what_a_rank_leaves_behind),
        cmocka_unit_test(test_orphans_are_reaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
