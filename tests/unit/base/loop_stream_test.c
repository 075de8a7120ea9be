/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/buf.h"
#include "proto/base/loop_stream.h"

struct side {
    struct loop_stream *s;
    struct buf in;
    int ended, end_status, drained;
    bool destroy_on_data, destroy_on_end, echo, stop_on_drain;
    size_t stop_at;
    struct loop *l;
};

struct fixture {
    struct loop *l;
    struct loop_timer *limit;
    struct side a, b;
    struct loop_listener *listener;
    int connected;
};

static void side_destroy(struct side *x)
{
    loop_stream_destroy(x->s);
    x->s = NULL;
}

static void on_data(void *arg, const uint8_t *data, size_t len)
{
    struct side *x = arg;
    assert_int_equal(buf_add(&x->in, data, len), 0);
    if (x->echo)
        assert_int_equal(loop_stream_write(x->s, data, len), 0);
    if (x->stop_at && x->in.len >= x->stop_at)
        loop_stop(x->l);
    if (x->destroy_on_data)
        side_destroy(x);
}

static void on_end(void *arg, int status)
{
    struct side *x = arg;
    x->ended++;
    x->end_status = status;
    if (x->destroy_on_end)
        side_destroy(x);
}

static void on_drain(void *arg)
{
    struct side *x = arg;
    x->drained++;
    assert_int_equal(loop_stream_queued(x->s), 0);
    if (x->stop_on_drain)
        loop_stop(x->l);
}

static const struct loop_stream_ops ops = {on_data, on_end, on_drain};

static void on_limit(void *arg)
{
    struct fixture *f = arg;
    loop_stop(f->l);
    fail_msg("nothing happened for 10 s");
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    if (!f || loop_create(&f->l, NULL) < 0)
        return -1;
    buf_init(&f->a.in, 64u << 20);
    buf_init(&f->b.in, 64u << 20);
    f->a.l = f->b.l = f->l;
    f->limit = loop_timer_create(f->l, on_limit, f);
    loop_timer_start(f->limit, 10000, 0);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    side_destroy(&f->a);
    side_destroy(&f->b);
    loop_listener_destroy(f->listener);
    loop_timer_destroy(f->limit);
    loop_destroy(f->l);
    buf_fini(&f->a.in);
    buf_fini(&f->b.in);
    free(f);
    return 0;
}

static void open_pair(struct fixture *f, bool sockets)
{
    int fd[2];
    if (sockets) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
        assert_int_equal(
            loop_stream_open(f->l, fd[0], fd[0], &ops, &f->a, &f->a.s, NULL), 0);
        assert_int_equal(
            loop_stream_open(f->l, fd[1], fd[1], &ops, &f->b, &f->b.s, NULL), 0);
    } else {
        assert_int_equal(pipe(fd), 0);
        assert_int_equal(loop_stream_open(f->l, -1, fd[1], &ops, &f->a, &f->a.s, NULL),
                         0);
        assert_int_equal(loop_stream_open(f->l, fd[0], -1, &ops, &f->b, &f->b.s, NULL),
                         0);
    }
}

/* ---- bytes pass, ends are told ---- */

static void pass_big(struct fixture *f, bool sockets)
{
    enum { N = 3 << 20 };
    uint8_t *big = malloc(N);
    for (size_t i = 0; i < N; i++)
        big[i] = (uint8_t)(i * 7 + i / 1000);
    open_pair(f, sockets);
    assert_int_equal(loop_stream_write(f->a.s, big, N), 0);
    assert_true(loop_stream_queued(f->a.s) > 0);
    loop_stream_shutdown(f->a.s);
    assert_int_equal(loop_stream_write(f->a.s, big, 1), -EPIPE);
    loop_stream_read(f->b.s, true);
    f->b.destroy_on_end = true;
    loop_timer_stop(f->limit);
    loop_run(f->l);
    assert_int_equal(f->b.in.len, N);
    assert_memory_equal(f->b.in.data, big, N);
    assert_int_equal(f->b.ended, 1);
    assert_int_equal(f->b.end_status, 0);
    assert_int_equal(f->a.drained, 1);
    free(big);
}

static void test_pipe_passes_big_write_then_end(void **state)
{
    pass_big(*state, false);
}

static void test_socket_passes_big_write_then_end(void **state)
{
    pass_big(*state, true);
}

static void test_nothing_is_read_until_asked(void **state)
{
    struct fixture *f = *state;
    open_pair(f, true);
    assert_int_equal(loop_stream_write(f->a.s, "x", 1), 0);
    f->a.stop_on_drain = true;
    loop_run(f->l);
    assert_int_equal(f->b.in.len, 0);
    f->b.stop_at = 1;
    loop_stream_read(f->b.s, true);
    loop_run(f->l);
    assert_int_equal(f->b.in.len, 1);
}

static void test_destroy_in_own_callback(void **state)
{
    struct fixture *f = *state;
    open_pair(f, true);
    f->b.destroy_on_data = true;
    f->a.destroy_on_end = true;
    loop_stream_read(f->a.s, true);
    loop_stream_read(f->b.s, true);
    assert_int_equal(loop_stream_write(f->a.s, "x", 1), 0);
    loop_timer_stop(f->limit);
    loop_run(f->l);
    assert_int_equal(f->b.in.len, 1);
    assert_int_equal(f->b.ended, 0);
    assert_int_equal(f->a.ended, 1);
}

static void test_broken_pipe_is_told_once(void **state)
{
    struct fixture *f = *state;
    open_pair(f, false);
    side_destroy(&f->b);
    assert_int_equal(loop_stream_write(f->a.s, "x", 1), -EPIPE);
    assert_int_equal(f->a.ended, 0); /* not from within the call */
    loop_timer_stop(f->limit);
    loop_run(f->l);
    assert_int_equal(f->a.ended, 1);
    assert_int_equal(f->a.end_status, -EPIPE);
    assert_int_equal(loop_stream_write(f->a.s, "x", 1), -EPIPE);
}

static void test_reader_goes_while_we_wait_to_write(void **state)
{
    struct fixture *f = *state;
    char block[128 << 10] = {0};
    open_pair(f, false);
    assert_int_equal(loop_stream_write(f->a.s, block, sizeof block), 0);
    assert_true(loop_stream_queued(f->a.s) > 0);
    side_destroy(&f->b);
    loop_timer_stop(f->limit);
    loop_run(f->l);
    assert_int_equal(f->a.end_status, -EPIPE);
    assert_int_equal(f->a.drained, 0);
}

/* A child that says why it dies and dies: its words come before our broken pipe. */
static void test_last_words_come_before_broken_pipe(void **state)
{
    struct fixture *f = *state;
    int down[2], up[2];
    assert_int_equal(pipe(down), 0);
    assert_int_equal(pipe(up), 0);
    assert_int_equal(loop_stream_open(f->l, up[0], down[1], &ops, &f->a, &f->a.s, NULL),
                     0);
    loop_stream_read(f->a.s, true);
    assert_int_equal(write(up[1], "no such file", 12), 12);
    close(down[0]);
    close(up[1]);
    assert_int_equal(loop_stream_write(f->a.s, "x", 1), -EPIPE);
    f->a.destroy_on_end = true;
    loop_timer_stop(f->limit);
    loop_run(f->l);
    assert_string_equal((char *)f->a.in.data, "no such file");
    assert_int_equal(f->a.end_status, -EPIPE);
}

/* ---- what epoll refuses ---- */

static void test_regular_file_and_dev_null(void **state)
{
    struct fixture *f = *state;
    char path[] = "/tmp/loop_stream_test.XXXXXX", got[8] = "";
    int fd = mkstemp(path), again = open(path, O_RDONLY);
    assert_int_equal(loop_stream_open(f->l, -1, fd, &ops, &f->a, &f->a.s, NULL), 0);
    assert_int_equal(loop_stream_write(f->a.s, "hello", 5), 0);
    assert_int_equal(loop_stream_queued(f->a.s), 0);
    f->a.stop_on_drain = true;
    loop_run(f->l);
    assert_int_equal(f->a.drained, 1);
    assert_int_equal(read(again, got, sizeof got), 5);

    assert_int_equal(lseek(again, 0, SEEK_SET), 0);
    assert_int_equal(loop_stream_open(f->l, again, -1, &ops, &f->b, &f->b.s, NULL), 0);
    loop_stream_read(f->b.s, true);
    f->b.destroy_on_end = true;
    loop_timer_stop(f->limit);
    loop_run(f->l);
    assert_string_equal((char *)f->b.in.data, "hello");

    int null = open("/dev/null", O_RDWR);
    assert_int_equal(loop_stream_open(f->l, null, null, &ops, &f->b, &f->b.s, NULL), 0);
    assert_int_equal(loop_stream_write(f->b.s, "x", 1), 0);
    loop_stream_read(f->b.s, true);
    f->b.destroy_on_end = true;
    loop_run(f->l);
    assert_int_equal(f->b.ended, 2);
    unlink(path);
}

static void test_full_device(void **state)
{
    struct fixture *f = *state;
    int fd = open("/dev/full", O_WRONLY);
    assert_int_equal(loop_stream_open(f->l, -1, fd, &ops, &f->a, &f->a.s, NULL), 0);
    assert_int_equal(loop_stream_write(f->a.s, "x", 1), -EPIPE);
    loop_timer_stop(f->limit);
    loop_run(f->l);
    assert_int_equal(f->a.end_status, -ENOSPC);
}

static void test_terminal_stays_blocking_for_others(void **state)
{
    struct fixture *f = *state;
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(master >= 0);
    assert_int_equal(grantpt(master), 0);
    assert_int_equal(unlockpt(master), 0);
    int tty = open(ptsname(master), O_RDWR | O_NOCTTY), mine = dup(tty);
    char got[8] = "";
    assert_int_equal(loop_stream_open(f->l, mine, mine, &ops, &f->a, &f->a.s, NULL), 0);
    assert_int_equal(fcntl(tty, F_GETFL) & O_NONBLOCK, 0);
    assert_int_equal(loop_stream_write(f->a.s, "hi", 2), 0);
    assert_int_equal(read(master, got, sizeof got), 2);
    assert_int_equal(write(master, "yes\n", 4), 4);
    f->a.stop_at = 4;
    loop_stream_read(f->a.s, true);
    loop_run(f->l);
    assert_string_equal((char *)f->a.in.data, "yes\n");
    close(tty);
    close(master); /* hangs up: an end, not a failure */
    f->a.destroy_on_end = true;
    loop_timer_stop(f->limit);
    loop_run(f->l);
    assert_int_equal(f->a.ended, 1);
    assert_int_equal(f->a.end_status, 0);
}

static void test_flush_blocks_for_a_bounded_time(void **state)
{
    struct fixture *f = *state;
    char block[128 << 10] = {0};
    open_pair(f, false);
    assert_int_equal(loop_stream_flush(f->a.s, 10), 0);
    assert_int_equal(loop_stream_write(f->a.s, block, sizeof block), 0);
    assert_int_equal(loop_stream_flush(f->a.s, 20), -ETIMEDOUT);
    side_destroy(&f->b);
    assert_int_equal(loop_stream_flush(f->a.s, 1000), -EPIPE);
    assert_int_equal(f->a.ended, 0);
}

static void test_bad_descriptor(void **state)
{
    struct fixture *f = *state;
    struct err e;
    int fd = open("/dev/null", O_RDONLY);
    close(fd);
    assert_int_equal(loop_stream_open(f->l, fd, -1, &ops, &f->a, &f->a.s, &e), -EBADF);
    assert_null(f->a.s);
}

/* ---- TCP ---- */

static void on_accept(void *arg, struct loop_stream *s, const struct sockaddr *from)
{
    struct fixture *f = arg;
    assert_int_equal(from->sa_family, AF_INET);
    f->b.s = s;
    loop_stream_set(s, &ops, &f->b);
    loop_stream_read(s, true);
    f->b.echo = true;
    loop_listener_destroy(f->listener); /* from its own callback */
    f->listener = NULL;
}

static void on_connect(void *arg, int status)
{
    struct fixture *f = arg;
    f->connected = status ? status : 1;
    if (status < 0)
        side_destroy(&f->a);
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static const struct loop_stream_ops client_ops = {on_data, on_end, NULL};

static void test_tcp_echo(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_in at = loopback(0);
    uint16_t port = 0;
    assert_int_equal(loop_listen(f->l, (struct sockaddr *)&at, on_accept, f,
                                 &f->listener, &port, NULL),
                     0);
    assert_int_not_equal(port, 0);
    at = loopback(port);
    struct loop_stream_ops o = client_ops;
    assert_int_equal(loop_stream_connect(f->l, (struct sockaddr *)&at, &o, on_connect,
                                         f, &f->a.s, NULL),
                     0);
    loop_stream_set(f->a.s, &client_ops, &f->a);
    assert_int_equal(loop_stream_write(f->a.s, "ping", 4),
                     0); /* before it is connected */
    assert_int_equal(f->connected, 0);
    loop_stream_read(f->a.s, true);
    f->a.stop_at = 4;
    loop_run(f->l);
    assert_int_equal(f->connected, 1);
    assert_string_equal((char *)f->a.in.data, "ping");
}

static void test_connect_refused(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_in at = loopback(0);
    uint16_t port = 0;
    assert_int_equal(loop_listen(f->l, (struct sockaddr *)&at, on_accept, f,
                                 &f->listener, &port, NULL),
                     0);
    loop_listener_destroy(f->listener);
    f->listener = NULL;
    at = loopback(port);
    assert_int_equal(loop_stream_connect(f->l, (struct sockaddr *)&at, &ops, on_connect,
                                         f, &f->a.s, NULL),
                     0);
    assert_int_equal(f->connected, 0);
    loop_timer_stop(f->limit);
    loop_run(f->l);
    assert_int_equal(f->connected, -ECONNREFUSED);
    assert_int_equal(f->a.ended, 0);
}

static void test_connect_not_an_address(void **state)
{
    struct fixture *f = *state;
    struct sockaddr at = {.sa_family = AF_UNIX};
    assert_int_equal(loop_stream_connect(f->l, &at, &ops, on_connect, f, &f->a.s, NULL),
                     -EAFNOSUPPORT);
    struct sockaddr_in nobody = loopback(1);
    nobody.sin_addr.s_addr = htonl(0xffffffff); /* refused in the call itself */
    assert_int_equal(loop_stream_connect(f->l, (struct sockaddr *)&nobody, &ops,
                                         on_connect, f, &f->a.s, NULL),
                     0);
    loop_timer_stop(f->limit);
    loop_run(f->l);
    assert_true(f->connected < 0);
}

static void test_port_in_use(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_in at = loopback(0);
    struct loop_listener *second;
    struct err e;
    uint16_t port = 0;
    assert_int_equal(loop_listen(f->l, (struct sockaddr *)&at, on_accept, f,
                                 &f->listener, &port, NULL),
                     0);
    at = loopback(port);
    assert_int_equal(
        loop_listen(f->l, (struct sockaddr *)&at, on_accept, f, &second, &port, &e),
        -EADDRINUSE);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_pipe_passes_big_write_then_end),
        T(test_socket_passes_big_write_then_end),
        T(test_nothing_is_read_until_asked),
        T(test_destroy_in_own_callback),
        T(test_broken_pipe_is_told_once),
        T(test_reader_goes_while_we_wait_to_write),
        T(test_last_words_come_before_broken_pipe),
        T(test_regular_file_and_dev_null),
        T(test_full_device),
        T(test_terminal_stays_blocking_for_others),
        T(test_flush_blocks_for_a_bounded_time),
        T(test_bad_descriptor),
        T(test_tcp_echo),
        T(test_connect_refused),
        T(test_connect_not_an_address),
        T(test_port_in_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
