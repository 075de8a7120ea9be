/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/buf.h"
#include "proto/base/loop_proc.h"

struct fixture {
    struct loop *l;
    struct loop_proc *p;
    struct loop_stream *io, *err;
    struct buf out, errout;
    int exits, wait_status, out_ends;
    bool destroy_on_exit;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    if (!f || loop_create(&f->l, NULL) < 0)
        return -1;
    buf_init(&f->out, 1u << 20);
    buf_init(&f->errout, 1u << 20);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    loop_stream_destroy(f->io);
    loop_stream_destroy(f->err);
    loop_proc_destroy(f->p);
    loop_destroy(f->l);
    buf_fini(&f->out);
    buf_fini(&f->errout);
    free(f);
    return 0;
}

static void on_out(void *arg, const uint8_t *data, size_t len)
{
    struct fixture *f = arg;
    assert_int_equal(buf_add(&f->out, data, len), 0);
}

static void on_out_end(void *arg, int status)
{
    struct fixture *f = arg;
    (void)status;
    f->out_ends++;
    loop_stream_destroy(f->io);
    f->io = NULL;
}

static void on_err(void *arg, const uint8_t *data, size_t len)
{
    struct fixture *f = arg;
    assert_int_equal(buf_add(&f->errout, data, len), 0);
}

static void on_err_end(void *arg, int status)
{
    struct fixture *f = arg;
    (void)status;
    loop_stream_destroy(f->err);
    f->err = NULL;
}

static void on_exit_(void *arg, int wait_status)
{
    struct fixture *f = arg;
    f->exits++;
    f->wait_status = wait_status;
    if (f->destroy_on_exit) {
        loop_proc_destroy(f->p);
        f->p = NULL;
    }
}

static const struct loop_stream_ops out_ops = {on_out, on_out_end, NULL};
static const struct loop_stream_ops err_ops = {on_err, on_err_end, NULL};

static void start(struct fixture *f, const char *script, int extra_fd, bool with_stderr)
{
    char *argv[] = {"sh", "-c", (char *)script, NULL};
    struct loop_proc_spec spec = {"sh", argv, NULL, extra_fd, with_stderr};
    assert_int_equal(loop_proc_spawn(f->l, &spec, on_exit_, f, &f->p, NULL), 0);
    f->io = loop_proc_take_io(f->p);
    assert_non_null(f->io);
    assert_null(loop_proc_take_io(f->p));
    loop_stream_set(f->io, &out_ops, f);
    loop_stream_read(f->io, true);
    f->err = loop_proc_take_stderr(f->p);
    assert_int_equal(f->err != NULL, with_stderr);
    if (f->err) {
        loop_stream_set(f->err, &err_ops, f);
        loop_stream_read(f->err, true);
    }
}

static void test_streams_and_status(void **state)
{
    struct fixture *f = *state;
    f->destroy_on_exit = true;
    start(f, "read x; echo got $x; echo bad >&2; exit 3", -1, true);
    assert_int_equal(loop_stream_write(f->io, "word\n", 5), 0);
    loop_run(f->l);
    assert_string_equal((char *)f->out.data, "got word\n");
    assert_string_equal((char *)f->errout.data, "bad\n");
    assert_int_equal(f->exits, 1);
    assert_true(WIFEXITED(f->wait_status));
    assert_int_equal(WEXITSTATUS(f->wait_status), 3);
}

static void test_shutdown_ends_stdin_only(void **state)
{
    struct fixture *f = *state;
    f->destroy_on_exit = true;
    start(f, "cat; echo end", -1, false);
    assert_int_equal(loop_stream_write(f->io, "x\n", 2), 0);
    loop_stream_shutdown(f->io);
    loop_run(f->l);
    assert_string_equal((char *)f->out.data, "x\nend\n");
}

static void test_signal_death(void **state)
{
    struct fixture *f = *state;
    f->destroy_on_exit = true;
    start(f, "exec sleep 100", -1, false);
    assert_false(loop_proc_exited(f->p));
    assert_int_equal(loop_proc_kill(f->p, SIGKILL), 0);
    loop_run(f->l);
    assert_true(WIFSIGNALED(f->wait_status));
    assert_int_equal(WTERMSIG(f->wait_status), SIGKILL);
}

static void test_child_has_session_and_only_its_descriptors(void **state)
{
    struct fixture *f = *state;
    int loose = open("/dev/null", O_RDONLY); /* without O_CLOEXEC, as if inherited */
    f->destroy_on_exit = true;
    start(
        f,
        "set -- $(cat /proc/$$/stat); test $6 = $$ && echo own session\n"
        "for i in 0 1 2 3 4 5 6 7 8 9; do test -e /proc/$$/fd/$i && echo has $i; done",
        loose, false);
    loop_run(f->l);
    assert_string_equal((char *)f->out.data,
                        "own session\nhas 0\nhas 1\nhas 2\nhas 3\n");
    close(loose);
}

static void test_no_such_program(void **state)
{
    struct fixture *f = *state;
    char *argv[] = {"no-such-program", NULL};
    struct loop_proc_spec spec = {"no-such-program", argv, NULL, -1, true};
    struct err e;
    int before = dup(0);
    close(before);
    for (int i = 0; i < 3; i++)
        assert_int_equal(loop_proc_spawn(f->l, &spec, on_exit_, f, &f->p, &e), -ENOENT);
    assert_string_equal(e.text, "start \"no-such-program\": No such file or directory");
    assert_null(f->p);
    loop_run(f->l);
    int after = dup(0);
    close(after);
    assert_int_equal(before, after); /* no descriptor is left open */
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void on_timer(void *arg)
{
    loop_stop(arg);
}

static void run_for(struct fixture *f, unsigned ms)
{
    struct loop_timer *t = loop_timer_create(f->l, on_timer, f->l);
    loop_timer_start(t, ms, 0);
    loop_run(f->l);
    loop_timer_destroy(t);
}

static void test_destroy_leaves_child_running_but_no_zombie(void **state)
{
    struct fixture *f = *state;
    start(f, "exec sleep 0.1", -1, false);
    pid_t pid = loop_proc_pid(f->p);
    loop_proc_destroy(f->p);
    f->p = NULL;
    assert_int_equal(kill(pid, 0), 0);
    run_for(f, 400);
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(f->exits, 0);
}

static void test_loop_may_end_before_the_child(void **state)
{
    struct fixture *f = *state;
    start(f, "exec sleep 100", -1, false);
    pid_t pid = loop_proc_pid(f->p);
    loop_proc_destroy(f->p);
    f->p = NULL;
    loop_stream_destroy(f->io);
    f->io = NULL;
    loop_run(f->l);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* ---- beside someone who waits for children too ---- */

static void on_sigchld(int signum, void *arg)
{
    (void)signum;
    *(int *)arg += 1;
}

static void test_children_of_others_are_not_stolen(void **state)
{
    struct fixture *f = *state;
    int seen = 0, status = 0;
    struct loop_signal *chld = loop_signal_create(f->l, SIGCHLD, on_sigchld, &seen);
    f->destroy_on_exit = true;
    start(f, "exit 5", -1, false);
    pid_t mine = fork();
    if (mine == 0)
        _exit(7);
    run_for(f, 200);
    assert_true(seen > 0);
    assert_int_equal(WEXITSTATUS(f->wait_status), 5);
    assert_int_equal(waitpid(mine, &status, WNOHANG), mine);
    assert_int_equal(WEXITSTATUS(status), 7);
    loop_signal_destroy(chld);
}

static void test_status_taken_by_a_subreaper_is_handed_back(void **state)
{
    struct fixture *f = *state;
    int status = 0;
    f->destroy_on_exit = true;
    start(f, "exit 6", -1, false);
    pid_t pid = waitpid(-1, &status, 0);
    assert_int_equal(pid, loop_proc_pid(f->p));
    assert_true(loop_proc_reaped(f->l, pid, status));
    assert_int_equal(WEXITSTATUS(f->wait_status), 6);
    assert_false(loop_proc_reaped(f->l, pid, status));
    loop_run(f->l);
    assert_int_equal(f->exits, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_streams_and_status),
        T(test_shutdown_ends_stdin_only),
        T(test_signal_death),
        T(test_child_has_session_and_only_its_descriptors),
        T(test_no_such_program),
        T(test_destroy_leaves_child_running_but_no_zombie),
        T(test_loop_may_end_before_the_child),
        T(test_children_of_others_are_not_stolen),
        T(test_status_taken_by_a_subreaper_is_handed_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
