/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/loop.h"

struct fixture {
    struct loop *l;
    struct loop_timer *timer;
    struct loop_signal *sig;
    struct loop_watch *watch;
    struct loop_wake *wake;
    int calls, got;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    return !f || loop_create(&f->l, NULL) < 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    loop_destroy(f->l);
    free(f);
    return 0;
}

static void on_repeat(void *arg)
{
    struct fixture *f = arg;
    if (++f->calls == 3)
        loop_timer_destroy(f->timer); /* from its own callback */
}

static void test_timer_repeats_until_destroyed(void **state)
{
    struct fixture *f = *state;
    f->timer = loop_timer_create(f->l, on_repeat, f);
    uint64_t before = loop_now_ms(f->l);
    loop_timer_start(f->timer, 5, 5);
    loop_run(f->l);
    assert_int_equal(f->calls, 3);
    assert_true(loop_now_ms(f->l) - before >= 14);
}

static void on_never(void *arg)
{
    (void)arg;
    fail_msg("a stopped or destroyed timer fired");
}

static void test_stopped_timer_is_silent(void **state)
{
    struct fixture *f = *state;
    struct loop_timer *a = loop_timer_create(f->l, on_never, f);
    struct loop_timer *b = loop_timer_create(f->l, on_never, f);
    loop_timer_start(a, 1, 0);
    loop_timer_start(b, 1, 0);
    loop_timer_stop(a);
    loop_timer_destroy(b);
    loop_run(f->l);
    loop_timer_destroy(a);
    loop_timer_destroy(NULL);
}

static void on_stop(void *arg)
{
    struct fixture *f = arg;
    f->calls++;
    loop_stop(f->l);
}

static void test_timer_counts_from_its_start(void **state)
{
    struct fixture *f = *state;
    usleep(30000); /* the loop's own idea of the time is now stale */
    f->timer = loop_timer_create(f->l, on_stop, f);
    loop_timer_start(f->timer, 20, 0);
    uint64_t before = loop_now_ms(f->l);
    loop_run(f->l);
    assert_true(loop_now_ms(f->l) - before >= 19);
    loop_timer_destroy(f->timer);
}

static void on_sig(int signum, void *arg)
{
    struct fixture *f = arg;
    f->got = signum;
    loop_signal_destroy(f->sig);
}

static void on_itself(void *arg)
{
    struct fixture *f = arg;
    if (++f->calls < 100)
        loop_timer_start(f->timer, 0, 0);
    else
        loop_stop(f->l);
}

static void on_turn(int events, void *arg)
{
    struct fixture *f = arg;
    f->got = events;
    loop_stop(f->l);
}

/* "Some now, and the rest when the others had their turn." */
static void test_timer_that_starts_itself_lets_others_in(void **state)
{
    struct fixture *f = *state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    f->watch = loop_watch_create(f->l, fds[0], on_turn, f);
    f->timer = loop_timer_create(f->l, on_itself, f);
    loop_watch_set(f->watch, LOOP_READ);
    loop_timer_start(f->timer, 0, 0);
    loop_run(f->l);
    assert_int_equal(f->got, LOOP_READ);
    assert_int_equal(f->calls, 1);
    loop_timer_destroy(f->timer);
    loop_watch_destroy(f->watch);
    close(fds[0]);
    close(fds[1]);
}

static void test_signal(void **state)
{
    struct fixture *f = *state;
    f->sig = loop_signal_create(f->l, SIGUSR1, on_sig, f);
    assert_non_null(f->sig);
    raise(SIGUSR1);
    loop_run(f->l);
    assert_int_equal(f->got, SIGUSR1);
    assert_null(loop_signal_create(f->l, SIGKILL, on_sig, f));
}

static void test_sigpipe_is_ignored(void **state)
{
    (void)state;
    int fd[2];
    assert_int_equal(pipe(fd), 0);
    close(fd[0]);
    assert_int_equal(write(fd[1], "x", 1), -1);
    close(fd[1]);
}

static void on_ready(int events, void *arg)
{
    struct fixture *f = arg;
    f->got = events;
    loop_watch_destroy(f->watch);
}

static void test_watch(void **state)
{
    struct fixture *f = *state;
    int fd[2];
    assert_int_equal(pipe(fd), 0);
    f->watch = loop_watch_create(f->l, fd[0], on_ready, f);
    loop_watch_set(f->watch, LOOP_READ);
    assert_int_equal(write(fd[1], "x", 1), 1);
    loop_run(f->l);
    assert_int_equal(f->got, LOOP_READ);

    f->watch = loop_watch_create(f->l, fd[1], on_ready, f);
    loop_watch_set(f->watch, LOOP_WRITE);
    close(fd[0]);
    loop_run(f->l);
    assert_int_equal(f->got, -EPIPE);
    close(fd[1]);
    assert_null(loop_watch_create(f->l, -1, on_ready, f));
}

static void on_woken(void *arg)
{
    struct fixture *f = arg;
    f->calls++;
    loop_wake_destroy(f->wake);
}

static void *waker(void *arg)
{
    struct fixture *f = arg;
    usleep(10000);
    loop_wake_send(f->wake);
    return NULL;
}

static void test_wake_from_another_thread(void **state)
{
    struct fixture *f = *state;
    pthread_t t;
    f->wake = loop_wake_create(f->l, on_woken, f);
    assert_int_equal(pthread_create(&t, NULL, waker, f), 0);
    loop_run(f->l);
    pthread_join(t, NULL);
    assert_int_equal(f->calls, 1);
}

static void on_again(void *arg)
{
    struct fixture *f = arg;
    if (++f->calls < 3)
        assert_int_equal(loop_defer(f->l, on_again, f), 0);
}

static void on_got(void *arg)
{
    struct fixture *f = arg;
    f->got = f->calls;
}

static void test_defer_is_in_order_and_may_repeat(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(loop_defer(f->l, on_again, f), 0);
    assert_int_equal(loop_defer(f->l, on_got, f), 0);
    loop_run(f->l);
    assert_int_equal(f->calls, 3);
    assert_int_equal(f->got, 1); /* not starved by the one that repeats */
}

static void test_destroy_drops_what_is_deferred(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(loop_defer(f->l, on_never, f), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_timer_repeats_until_destroyed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_stopped_timer_is_silent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timer_that_starts_itself_lets_others_in,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_timer_counts_from_its_start, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_signal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sigpipe_is_ignored, setup, teardown),
        cmocka_unit_test_setup_teardown(test_watch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wake_from_another_thread, setup, teardown),
        cmocka_unit_test_setup_teardown(test_defer_is_in_order_and_may_repeat, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_destroy_drops_what_is_deferred, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
