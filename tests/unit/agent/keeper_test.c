/* SPDX-License-Identifier: MIT */
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
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/folders.h"
#include "agent/keeper.h"

#define RUN "00000000000000cc"

static char root[64];
static struct folders folders;

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof root, "/tmp/aolani-keeper-test-XXXXXX");
    if (!mkdtemp(root) || setenv("TMPDIR", root, 1) < 0)
        return -1;
    return folders_init(&folders, RUN, 0, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    (void)folders_remove(&folders, NULL);
    folders_fini(&folders);
    return folders_remove_tree(root, NULL);
}

static void pause_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    (void)nanosleep(&t, NULL);
}

static bool wait_until_gone(const char *path)
{
    for (int i = 0; i < 500 && access(path, F_OK) == 0; i++)
        pause_ms(10);
    return access(path, F_OK) < 0 && errno == ENOENT;
}

/* ---- agents that end in their own ways; says[1] is the test's to read */

static int says[2];

/* A child that has left everything by which it could be known. */
static void leave_daemon(void)
{
    pid_t pid = fork();
    if (pid > 0) {
        (void)waitpid(pid, NULL, 0);
        return;
    }
    (void)setsid();
    if (fork() > 0)
        _exit(0);
    pid = getpid();
    (void)signal(SIGTERM, SIG_IGN);
    if (write(says[1], &pid, sizeof pid) != sizeof pid)
        _exit(1);
    for (;;)
        pause();
}

static void agent_killed(void)
{
    struct folders f;
    if (folders_init(&f, RUN, 0, NULL) < 0 || folders_make(&f, NULL) < 0)
        _exit(99);
    leave_daemon();
    pause_ms(100);
    (void)kill(getpid(), SIGKILL);
}

static void agent_returns(void)
{
    leave_daemon();
    pause_ms(100);
    _exit(7);
}

static void on_term(int signum)
{
    (void)signum;
    _exit(3);
}

static void agent_waits(void)
{
    pid_t pid = getpid();
    (void)signal(SIGTERM, on_term);
    if (write(says[1], &pid, sizeof pid) != sizeof pid)
        _exit(99);
    for (;;)
        pause();
}

/* Returns the keeper; *ret_pid: what the agent has told. */
static pid_t start(void (*agent)(void), uint64_t lease_ms, pid_t *ret_pid)
{
    assert_int_equal(pipe(says), 0);
    pid_t keeper = fork();
    if (keeper == 0) {
        pid_t pid = keeper_fork(NULL);
        if (pid > 0)
            keeper_run(pid, RUN, 0, lease_ms);
        if (pid == 0)
            agent();
        _exit(98);
    }
    assert_int_equal(read(says[0], ret_pid, sizeof *ret_pid), sizeof *ret_pid);
    close(says[0]);
    close(says[1]);
    return keeper;
}

static int end_of(pid_t keeper)
{
    int status;
    assert_int_equal(waitpid(keeper, &status, 0), keeper);
    return status;
}

/* ---- */

static void test_a_killed_agent_leaves_nothing(void **state)
{
    (void)state;
    pid_t daemon;
    pid_t keeper = start(agent_killed, 600, &daemon);
    int status = end_of(keeper);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_true(kill(daemon, 0) < 0 && errno == ESRCH);
    struct folders_owner owner;
    assert_int_equal(folders_read_owner(&folders, &owner, NULL), 0);
    char *swept = folders_swept_path(&folders, owner.pid);
    assert_int_equal(access(swept, F_OK), 0);
    free(swept);
    assert_true(wait_until_gone(folders.base));
    assert_true(wait_until_gone(folders.shm));
}

static void test_another_agent_takes_over(void **state)
{
    (void)state;
    pid_t daemon;
    (void)end_of(start(agent_killed, 600, &daemon));
    assert_int_equal(folders_take_over(&folders, NULL), 0);
    pause_ms(1000);
    assert_int_equal(access(folders.base, F_OK), 0);
    assert_int_equal(folders_remove(&folders, NULL), 0);
}

static void test_an_agent_that_returns(void **state)
{
    (void)state;
    pid_t daemon;
    int status = end_of(start(agent_returns, 600, &daemon));
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    assert_true(kill(daemon, 0) < 0 && errno == ESRCH);
}

static void test_signals(void **state)
{
    (void)state;
    pid_t agent;
    pid_t keeper = start(agent_waits, 600, &agent);
    assert_int_equal(kill(keeper, SIGTERM), 0); /* passed on */
    int status = end_of(keeper);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);

    keeper = start(agent_waits, 600, &agent);
    assert_int_equal(kill(keeper, SIGKILL), 0); /* the agent ends by itself */
    (void)end_of(keeper);
    for (int i = 0; i < 500 && kill(agent, 0) == 0; i++)
        pause_ms(10);
    assert_true(kill(agent, 0) < 0 && errno == ESRCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_killed_agent_leaves_nothing),
        cmocka_unit_test(test_another_agent_takes_over),
        cmocka_unit_test(test_an_agent_that_returns),
        cmocka_unit_test(test_signals),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
