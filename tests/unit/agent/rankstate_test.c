/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/rankstate.h"
#include "tests/lib/skipped.h"

static void burn(unsigned ms)
{
    clock_t until = clock() + (clock_t)(ms * (CLOCKS_PER_SEC / 1000));
    while (clock() < until)
        ;
}

/* What each kind of rank does; pipe: a byte when it does it. */
static void be_asleep(int fd)
{
    (void)!write(fd, "x", 1);
    pause();
}

static void be_stopped(int fd)
{
    (void)!write(fd, "x", 1);
    raise(SIGSTOP);
}

static void be_a_shell(int fd)
{
    if (fork() == 0) {
        burn(50);
        be_asleep(fd);
    }
    pause();
}

static struct {
    pthread_t first;
    int fd;
} threads;

static void *second(void *arg)
{
    (void)arg;
    (void)pthread_join(threads.first, NULL);
    be_asleep(threads.fd);
    return NULL;
}

/* Its first thread is over, and another goes on. */
static void be_a_thread(int fd)
{
    pthread_t thread;
    threads.first = pthread_self();
    threads.fd = fd;
    if (pthread_create(&thread, NULL, second, NULL) == 0)
        pthread_exit(NULL);
}

/* The parent in between is gone: only the session is left to know it by. */
static void be_an_orphan(int fd)
{
    if (fork() == 0) {
        if (fork() != 0)
            _exit(0);
        burn(50);
        be_asleep(fd);
    }
    (void)wait(NULL);
    pause();
}

static pid_t start(void (*be)(int fd))
{
    int p[2];
    char c;
    assert_int_equal(pipe(p), 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)setsid();
        be(p[1]);
        _exit(0);
    }
    close(p[1]);
    assert_int_equal(read(p[0], &c, 1), 1);
    close(p[0]);
    return pid;
}

static void end(pid_t pid)
{
    (void)kill(-pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}

/* A state is reached soon after the byte was written. */
static void look_until(struct rankstate *r, char state)
{
    for (unsigned i = 0; i < 500; i++) {
        struct timespec t = {.tv_nsec = 10000000};
        assert_int_equal(rankstate_look(r, 1), 0);
        if (r->state == state)
            return;
        nanosleep(&t, NULL);
    }
    fail_msg("its state is %c, not %c", r->state ? r->state : '-', state);
}

static void test_what_ranks_do(void **state)
{
    static const struct {
        const char *what;
        void (*be)(int fd);
        char state;
        bool other; /* another process than the first stands for it */
        size_t pids;
        uint32_t threads;
    } rows[] = {
        {"it sleeps", be_asleep, 'S', false, 1, 1},
        {"it is stopped", be_stopped, 'T', false, 1, 1},
        {"a shell has started it", be_a_shell, 'S', true, 2, 1},
        {"its parent is gone", be_an_orphan, 'S', true, 2, 1},
        {"its first thread is over", be_a_thread, 'S', false, 1, 2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        pid_t pid = start(rows[i].be);
        struct rankstate r = {.first = pid};
        look_until(&r, rows[i].state);
        if ((r.pid != pid) != rows[i].other || r.n_pids != rows[i].pids)
            fail_msg("%s: %d of %d, %zu pids", rows[i].what, (int)r.pid, (int)pid,
                     r.n_pids);
        assert_int_equal(r.threads, rows[i].threads);
        assert_false(r.traced);
        if (rows[i].other)
            assert_true(r.cpu_ms >= 30);
        end(pid);
    }
}

static void test_each_has_its_own(void **state)
{
    (void)state;
    struct rankstate r[3] = {
        {.first = start(be_a_shell)}, {.first = 0}, {.first = start(be_asleep)}};
    pid_t first = r[0].first, last = r[2].first;
    assert_int_equal(rankstate_look(r, 3), 0);
    assert_int_equal(r[0].n_pids, 2);
    assert_int_equal(r[1].pid, 0);
    assert_int_equal(r[1].n_pids, 0);
    assert_int_equal(r[2].pid, last);
    end(first);
    assert_int_equal(rankstate_look(r, 3), 0);
    assert_int_equal(r[0].pid, 0); /* nothing is left of it */
    assert_int_equal(r[2].pid, last);
    end(last);
}

static void test_pids_of_a_container(void **state)
{
    int p[2], q[2];
    pid_t inner = 0;
    char c;
    (void)state;
    assert_int_equal(pipe(p), 0);
    assert_int_equal(pipe(q), 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)setsid();
        if (unshare(CLONE_NEWPID) < 0)
            _exit(3);
        if ((inner = fork()) == 0) {
            inner = getpid();
            (void)!write(p[1], &inner, sizeof inner);
            be_asleep(q[1]);
            _exit(0);
        }
        pause();
    }
    close(p[1]);
    close(q[1]);
    bool may = read(p[0], &inner, sizeof inner) == sizeof inner;
    if (may) {
        struct rankstate r = {.first = pid};
        assert_int_equal(read(q[0], &c, 1), 1);
        assert_int_equal(rankstate_look(&r, 1), 0);
        assert_int_equal(r.n_pids, 2);
        assert_true(r.pids[0] == (uint32_t)inner || r.pids[1] == (uint32_t)inner);
    }
    close(p[0]);
    close(q[0]);
    end(pid);
    if (!may)
        skip_because("PID namespaces are not to be had");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_ranks_do),
        cmocka_unit_test(test_each_has_its_own),
        cmocka_unit_test(test_pids_of_a_container),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
