/* SPDX-License-Identifier: MIT */
/* stdinpipe_test.c - what a head may send, what it is told, and that nothing is lost in
 * between. The test reads in place of the rank. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/stdinpipe.h"
#include "proto/base/limits.h"

#define RANK 5

struct rig {
    struct loop *loop;
    struct loop_timer *stop, *tick;
    struct upward up;
    struct stdinpipe *p;
    int fd; /* the rank's */
    uint64_t sent, read, taken;
    unsigned told, closed;
    int64_t refuse;
    bool wrong;
};

static uint8_t byte_at(uint64_t i)
{
    return (uint8_t)(i * 41 + i / 253);
}

static int64_t on_send(void *arg, enum message_type type, const ProtobufCMessage *msg)
{
    struct rig *r = arg;
    const Aolani__StdinTaken *m = (const Aolani__StdinTaken *)msg;
    if (r->refuse)
        return r->refuse;
    r->wrong = r->wrong || type != MSG_STDIN_TAKEN || m->rank != RANK ||
               m->offset < r->taken || m->offset > r->sent;
    r->taken = m->offset;
    r->told++;
    r->closed += m->closed;
    return 1;
}

static void on_stop(void *arg)
{
    loop_stop(((struct rig *)arg)->loop);
}

static void begin(struct rig *r)
{
    *r = (struct rig){0};
    assert_int_equal(loop_create(&r->loop, NULL), 0);
    r->stop = loop_timer_create(r->loop, on_stop, r);
    r->up = (struct upward){.send = on_send, .arg = r};
    assert_int_equal(stdinpipe_create(r->loop, RANK, &r->up, &r->p, NULL), 0);
    assert_int_equal(stdinpipe_fd_for(r->p, RANK + 1), -1);
    r->fd = dup(stdinpipe_fd_for(r->p, RANK));
    assert_int_equal(fcntl(r->fd, F_GETFL) & O_NONBLOCK, 0);
    (void)fcntl(r->fd, F_SETFL, O_NONBLOCK);
    stdinpipe_handed_over(r->p);
}

static void finish(struct rig *r)
{
    stdinpipe_destroy(r->p);
    loop_timer_destroy(r->stop);
    loop_destroy(r->loop);
    if (r->fd >= 0)
        close(r->fd);
    assert_false(r->wrong);
}

static void turn(struct rig *r)
{
    loop_timer_start(r->stop, 5, 0);
    loop_run(r->loop);
}

static int send_at(struct rig *r, uint32_t rank, uint64_t offset, size_t len, bool eof)
{
    Aolani__Stdin m = AOLANI__STDIN__INIT;
    uint8_t *data = malloc(len + 1);
    for (size_t i = 0; i < len; i++)
        data[i] = byte_at(offset + i);
    m.rank = rank;
    m.offset = offset;
    m.data.data = data;
    m.data.len = len;
    m.eof = eof;
    struct err e;
    int rc = stdinpipe_message(r->p, &m, &e);
    free(data);
    return rc;
}

static int feed(struct rig *r, size_t len, bool eof)
{
    r->sent += len;
    return send_at(r, RANK, r->sent - len, len, eof);
}

/* Bytes; 0: end of file; -1: nothing now. */
static ssize_t drain(struct rig *r)
{
    uint8_t b[5000];
    ssize_t n = read(r->fd, b, sizeof b);
    for (ssize_t i = 0; i < n; i++)
        r->wrong = r->wrong || b[i] != byte_at(r->read + (uint64_t)i);
    r->read += n > 0 ? (uint64_t)n : 0;
    return n;
}

static void test_all_bytes_in_order_then_the_end(void **state)
{
    (void)state;
    struct rig r;
    const uint64_t all = 5 * LIMIT_STDIN_WINDOW + 77;
    begin(&r);
    ssize_t n = -1;
    for (unsigned k = 0; n != 0 && k < 100000; k++) {
        uint64_t room = LIMIT_STDIN_WINDOW - (r.sent - r.taken), left = all - r.sent;
        uint64_t len = room < left ? room : left;
        len = len < LIMIT_STDIN_CHUNK ? len : LIMIT_STDIN_CHUNK;
        if (len > 0)
            assert_int_equal(feed(&r, (size_t)len, len == left), 0);
        n = drain(&r);
        if (n < 0)
            turn(&r);
    }
    assert_int_equal(r.read, all);
    assert_int_equal(n, 0);
    assert_int_equal(r.taken, all);
    assert_int_equal(r.closed, 0);
    stdinpipe_rank_ended(r.p);
    finish(&r);
}

static void test_breaches(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint32_t rank;
        uint64_t offset;
        size_t len;
    } table[] = {{"another rank", RANK + 1, 100, 1},
                 {"a gap", RANK, 101, 1},
                 {"a repetition", RANK, 99, 1},
                 {"a large chunk", RANK, 100, LIMIT_STDIN_CHUNK + 1}};
    struct rig r;
    begin(&r);
    assert_int_equal(feed(&r, 100, false), 0);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        print_message("%s\n", table[i].what);
        assert_int_equal(
            send_at(&r, table[i].rank, table[i].offset, table[i].len, false),
            ERR_PROTO);
    }
    assert_int_equal(feed(&r, 0, true), 0);
    assert_int_equal(send_at(&r, RANK, 100, 0, true), ERR_PROTO); /* after the end */
    finish(&r);
}

static void test_a_rank_that_never_reads(void **state)
{
    (void)state;
    struct rig r;
    begin(&r);
    while (r.sent - r.taken + 1000 <= LIMIT_STDIN_WINDOW) {
        assert_int_equal(feed(&r, 1000, false), 0);
        turn(&r);
    }
    /* What it is told does not pass the pipe; the window is what is kept here. */
    assert_true(r.taken <= 1u << 17);
    assert_int_equal(send_at(&r, RANK, r.sent, 1001, false), ERR_PROTO);
    stdinpipe_rank_ended(r.p);
    assert_int_equal(r.closed, 1);
    finish(&r);
}

static void test_a_rank_that_closes(void **state)
{
    (void)state;
    struct rig r;
    begin(&r);
    (void)signal(SIGPIPE, SIG_IGN);
    close(r.fd);
    r.fd = -1;
    assert_int_equal(feed(&r, 1000, false), 0);
    assert_int_equal(r.closed, 1);
    assert_int_equal(r.taken, 0);
    /* What was on its way is dropped, and still counted. */
    assert_int_equal(feed(&r, 1000, false), 0);
    assert_int_equal(send_at(&r, RANK, 1000, 10, false), ERR_PROTO);
    stdinpipe_rank_ended(r.p);
    assert_int_equal(r.closed, 1);
    finish(&r);
}

static void test_a_session_without_room(void **state)
{
    (void)state;
    struct rig r;
    begin(&r);
    r.refuse = ERR_LIMIT;
    assert_int_equal(feed(&r, 1000, false), 0);
    stdinpipe_rank_ended(r.p);
    assert_int_equal(r.told, 0);
    r.refuse = 0;
    for (int i = 0; i < 1000 && r.told == 0; i++)
        turn(&r);
    assert_int_equal(r.taken, 1000);
    assert_int_equal(r.closed, 1);
    finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_bytes_in_order_then_the_end),
        cmocka_unit_test(test_breaches),
        cmocka_unit_test(test_a_rank_that_never_reads),
        cmocka_unit_test(test_a_rank_that_closes),
        cmocka_unit_test(test_a_session_without_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
