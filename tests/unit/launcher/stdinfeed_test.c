/* SPDX-License-Identifier: MIT */
/* stdinfeed_test.c - whatever standard input is, it comes in order and within the window,
 * and nothing waits for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "launcher/stdinfeed.h"
#include "proto/base/limits.h"
#include "tests/lib/skipped.h"

#define STEP 37 /* no multiple of a chunk */

struct rig {
    struct loop *loop;
    struct loop_timer *limit, *pause;
    struct stdinfeed *feed;
    uint64_t len, stop_at;
    bool takes, eof, timed_out, wrong;
    int refuse, failed;
};

static uint8_t byte_at(uint64_t i)
{
    return (uint8_t)(i * STEP + i / 251);
}

static int on_send(void *arg, uint64_t offset, const uint8_t *data, size_t len,
                   bool eof)
{
    struct rig *r = arg;
    if (r->refuse)
        return r->refuse;
    r->wrong = r->wrong || offset != r->len || len > LIMIT_STDIN_CHUNK || r->eof;
    for (size_t i = 0; i < len; i++)
        r->wrong = r->wrong || data[i] != byte_at(offset + i);
    r->len += len;
    r->eof = eof;
    if (r->eof || (r->stop_at && r->len >= r->stop_at))
        loop_stop(r->loop);
    return 0;
}

static void on_failed(void *arg, const struct err *e)
{
    struct rig *r = arg;
    r->failed = e->code;
    loop_stop(r->loop);
}

static void on_pause(void *arg)
{
    struct rig *r = arg;
    if (r->takes && r->feed)
        assert_int_equal(stdinfeed_taken(r->feed, r->len, false, NULL), 0);
}

static void on_limit(void *arg)
{
    struct rig *r = arg;
    r->timed_out = true;
    loop_stop(r->loop);
}

static void begin(struct rig *r, int fd)
{
    static const struct stdinfeed_ops ops = {.send = on_send, .failed = on_failed};
    *r = (struct rig){0};
    assert_int_equal(loop_create(&r->loop, NULL), 0);
    r->limit = loop_timer_create(r->loop, on_limit, r);
    r->pause = loop_timer_create(r->loop, on_pause, r);
    loop_timer_start(r->pause, 1, 1);
    assert_int_equal(stdinfeed_create(r->loop, fd, &ops, r, &r->feed, NULL), 0);
}

static void run(struct rig *r, unsigned ms)
{
    loop_timer_start(r->limit, ms, 0);
    loop_run(r->loop);
    loop_timer_stop(r->limit);
}

static void finish(struct rig *r)
{
    stdinfeed_destroy(r->feed);
    loop_timer_destroy(r->limit);
    loop_timer_destroy(r->pause);
    loop_destroy(r->loop);
    assert_false(r->wrong);
}

static void put(int fd, uint64_t from, uint64_t to)
{
    uint8_t b[4096];
    while (from < to) {
        size_t n = to - from < sizeof b ? (size_t)(to - from) : sizeof b;
        for (size_t i = 0; i < n; i++)
            b[i] = byte_at(from + i);
        ssize_t k = write(fd, b, n);
        if (k <= 0)
            return;
        from += (uint64_t)k;
    }
}

static int open_file(void)
{
    char name[] = "/tmp/stdinfeed-XXXXXX";
    int fd = mkstemp(name);
    (void)unlink(name);
    put(fd, 0, 3 * LIMIT_STDIN_WINDOW + 5);
    (void)lseek(fd, 0, SEEK_SET);
    return fd;
}

/* The other end in a child, which has written `n` bytes and closes, or waits. */
static int open_fed(int domain, uint64_t n, pid_t *ret_pid)
{
    int fds[2];
    int rc = domain ? socketpair(domain, SOCK_STREAM, 0, fds) : pipe(fds);
    assert_int_equal(rc, 0);
    *ret_pid = fork();
    if (*ret_pid == 0) {
        (void)signal(SIGPIPE, SIG_DFL);
        close(fds[0]);
        put(fds[1], 0, n);
        _exit(0);
    }
    close(fds[1]);
    return fds[0];
}

static void end_child(pid_t pid)
{
    if (pid <= 0)
        return;
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}

static void test_every_kind_of_input(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t len;
    } table[] = {{"file", 3 * LIMIT_STDIN_WINDOW + 5},
                 {"null", 0},
                 {"pipe", 2 * LIMIT_STDIN_WINDOW + 1},
                 {"socket", 2 * LIMIT_STDIN_WINDOW + 1}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct rig r;
        pid_t pid = 0;
        int fd = i == 0   ? open_file()
                 : i == 1 ? open("/dev/null", O_RDWR)
                          : open_fed(i == 2 ? 0 : AF_UNIX, table[i].len, &pid);
        int flags = fcntl(fd, F_GETFL);
        begin(&r, fd);
        r.takes = true;
        run(&r, 20000);
        print_message("%s: %llu bytes\n", table[i].name, (unsigned long long)r.len);
        assert_true(r.eof);
        assert_int_equal(r.len, table[i].len);
        assert_int_equal(fcntl(fd, F_GETFL), flags); /* others have it too */
        finish(&r);
        end_child(pid);
        close(fd);
    }
}

static void test_never_beyond_the_window(void **state)
{
    (void)state;
    struct rig r;
    int fd = open_file();
    begin(&r, fd);
    run(&r, 100);
    assert_true(r.timed_out);
    assert_int_equal(r.len, LIMIT_STDIN_WINDOW);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), LIMIT_STDIN_WINDOW);
    r.stop_at = LIMIT_STDIN_WINDOW + 10;
    assert_int_equal(stdinfeed_taken(r.feed, 10, false, NULL), 0);
    r.timed_out = false;
    run(&r, 20000);
    assert_false(r.timed_out);
    assert_int_equal(r.len, LIMIT_STDIN_WINDOW + 10);
    finish(&r);
    close(fd);
}

static void test_what_a_node_may_not_say(void **state)
{
    (void)state;
    struct rig r;
    struct err e;
    int fd = open_file();
    begin(&r, fd);
    r.stop_at = LIMIT_STDIN_WINDOW;
    run(&r, 20000);
    assert_int_equal(stdinfeed_taken(r.feed, 100, false, &e), 0);
    assert_int_equal(stdinfeed_taken(r.feed, 99, false, &e), ERR_PROTO);
    assert_int_equal(stdinfeed_taken(r.feed, 2 * LIMIT_STDIN_WINDOW, false, &e),
                     ERR_PROTO);
    assert_int_equal(stdinfeed_taken(r.feed, 100, true, &e), 0);
    assert_int_equal(stdinfeed_taken(r.feed, 100, true, &e), 0);
    uint64_t len = r.len;
    run(&r, 50);
    assert_int_equal(r.len, len); /* closed: nothing more */
    finish(&r);
    close(fd);
}

static void test_input_that_never_ends_is_not_waited_for(void **state)
{
    (void)state;
    struct rig r;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    put(fds[1], 0, 10);
    begin(&r, fds[0]);
    r.stop_at = 10;
    run(&r, 20000);
    assert_int_equal(r.len, 10);
    assert_false(r.eof);
    finish(&r);
    close(fds[0]);
    close(fds[1]);
}

static void test_failures(void **state)
{
    (void)state;
    struct rig r;
    int dir = open("/", O_RDONLY), fd = open_file();
    begin(&r, dir);
    run(&r, 20000);
    assert_int_equal(r.failed, -EISDIR);
    assert_false(r.eof);
    finish(&r);
    begin(&r, fd);
    r.refuse = -ENOTCONN;
    run(&r, 50);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), LIMIT_STDIN_CHUNK);
    finish(&r);
    close(dir);
    close(fd);
}

/* In a session of its own with a terminal, of which it is or is not the foreground. */
static int on_terminal(int master, const char *slave)
{
    struct rig r;
    (void)setsid();
    int fd = open(slave, O_RDWR); /* becomes the controlling terminal */
    struct termios t;
    if (fd < 0 || tcgetattr(fd, &t) < 0)
        return 10;
    t.c_lflag &= ~(tcflag_t)ECHO;
    (void)tcsetattr(fd, TCSANOW, &t);
    (void)signal(SIGTTOU, SIG_IGN);
    pid_t other = fork();
    if (other == 0) {
        (void)setpgid(0, 0);
        (void)pause();
        _exit(0);
    }
    (void)setpgid(other, other);
    (void)tcsetpgrp(fd, other);
    begin(&r, fd);
    uint8_t line[2] = {byte_at(0), '\n'};
    (void)!write(master, line, 2);
    run(&r, 100);
    int rc = r.len ? 11 : 0;
    (void)tcsetpgrp(fd, getpgrp());
    r.stop_at = 1;
    r.timed_out = false;
    loop_timer_start(r.limit, 20000, 0);
    loop_run(r.loop);
    if (!rc && r.len != 2)
        rc = 12;
    r.stop_at = 0;
    (void)!write(master, "\4", 1);
    if (!rc && !r.timed_out)
        run(&r, 20000);
    if (!rc && !r.eof)
        rc = 13;
    end_child(other);
    return rc; /* the newline is none of our bytes: no finish */
}

static void test_background_of_a_terminal(void **state)
{
    (void)state;
    int master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
    if (master < 0)
        skip_because("no pseudo-terminals on this machine");
    assert_int_equal(unlockpt(master), 0);
    char name[64];
    assert_int_equal(ptsname_r(master, name, sizeof name), 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(on_terminal(master, name));
    int ws;
    assert_int_equal(waitpid(pid, &ws, WUNTRACED), pid);
    close(master);
    if (WIFSTOPPED(ws))
        end_child(pid);
    assert_true(WIFEXITED(ws)); /* not stopped */
    assert_int_equal(WEXITSTATUS(ws), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_of_input),
        cmocka_unit_test(test_never_beyond_the_window),
        cmocka_unit_test(test_what_a_node_may_not_say),
        cmocka_unit_test(test_input_that_never_ends_is_not_waited_for),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_background_of_a_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
