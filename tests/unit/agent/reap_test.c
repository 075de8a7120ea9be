/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/reap.h"
#include "proto/base/clock.h"

struct fixture {
    struct loop *loop;
    struct reap *reap;
    pid_t child;
    unsigned exits, stops, windows;
    pid_t pid;
    int status;
    uint64_t from_ns, to_ns;
};

static void on_exit_of(void *arg, pid_t pid, int wait_status,
                       const struct rusage *usage)
{
    struct fixture *f = arg;
    (void)usage;
    f->exits++;
    f->pid = pid;
    f->status = wait_status;
    loop_stop(f->loop);
}

static void on_stop_of(void *arg, pid_t pid, uint64_t from_ns, uint64_t to_ns)
{
    struct fixture *f = arg;
    assert_int_equal(pid, f->child);
    assert_true(from_ns <= to_ns);
    f->stops += from_ns == to_ns;
    f->windows += from_ns != to_ns;
    f->from_ns = from_ns;
    f->to_ns = to_ns;
    loop_stop(f->loop);
}

static pid_t child_start(void)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        for (;;)
            pause();
    }
    return pid;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct err e;
    assert_int_equal(loop_create(&f->loop, &e), 0);
    assert_int_equal(reap_create(f->loop, on_exit_of, f, &f->reap, &e), 0);
    reap_watch_stops(f->reap, on_stop_of);
    f->child = child_start();
    reap_add(f->reap, f->child);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->exits == 0)
        kill(f->child, SIGKILL);
    while (f->exits == 0)
        loop_run(f->loop);
    assert_int_equal(f->exits, 1);
    assert_int_equal(f->pid, f->child);
    assert_true(WIFSIGNALED(f->status) && WTERMSIG(f->status) == SIGKILL);
    reap_destroy(f->reap);
    loop_destroy(f->loop);
    free(f);
    return 0;
}

/* The state letter of /proc/PID/stat. */
static char state_of(pid_t pid)
{
    char path[64], state = '?';
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *in = fopen(path, "re");
    assert_non_null(in);
    assert_int_equal(fscanf(in, "%*d (%*[^)]) %c", &state), 1);
    fclose(in);
    return state;
}

static void wait_for_state(pid_t pid, bool stopped)
{
    while ((state_of(pid) == 'T') != stopped)
        usleep(1000);
}

static void test_a_stop_and_its_end_are_told(void **state)
{
    struct fixture *f = *state;
    uint64_t before = clock_mono_ns();
    kill(f->child, SIGSTOP);
    loop_run(f->loop); /* the signal of the kernel wakes it */
    assert_int_equal(f->stops, 1);
    assert_in_range(f->from_ns, before, clock_mono_ns());
    uint64_t stopped = f->from_ns;
    kill(f->child, SIGCONT);
    loop_run(f->loop);
    assert_int_equal(f->stops, 1);
    assert_int_equal(f->windows, 1);
    assert_true(f->from_ns >= stopped && f->to_ns > f->from_ns);
    reap_look_stops(f->reap); /* told once */
    assert_int_equal(f->stops + f->windows, 2);
}

static void test_a_stop_that_is_over_when_we_look(void **state)
{
    struct fixture *f = *state;
    reap_look_stops(f->reap);
    uint64_t before = clock_mono_ns();
    kill(f->child, SIGSTOP);
    wait_for_state(f->child, true);
    kill(f->child, SIGCONT);
    wait_for_state(f->child, false);
    reap_look_stops(f->reap);
    assert_int_equal(f->stops, 0);
    assert_int_equal(f->windows, 1);
    assert_true(f->from_ns <= before && f->to_ns >= before);
}

static void test_a_stopped_child_that_is_killed_is_reaped(void **state)
{
    struct fixture *f = *state;
    kill(f->child, SIGSTOP);
    wait_for_state(f->child, true);
    kill(f->child, SIGKILL);
    while (f->exits == 0)
        loop_run(f->loop);
}

static void test_others_are_not_told_of(void **state)
{
    struct fixture *f = *state;
    pid_t other = child_start();
    kill(other, SIGSTOP);
    wait_for_state(other, true);
    reap_look_stops(f->reap);
    kill(other, SIGCONT);
    wait_for_state(other, false);
    reap_look_stops(f->reap);
    assert_int_equal(f->stops + f->windows, 0);
    kill(other, SIGKILL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_a_stop_and_its_end_are_told),
        T(test_a_stop_that_is_over_when_we_look),
        T(test_a_stopped_child_that_is_killed_is_reaped),
        T(test_others_are_not_told_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
