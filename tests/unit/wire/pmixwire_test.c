/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/cur.h"
#include "proto/base/limits.h"
#include "proto/wire/pmixwire.h"

struct rig {
    struct loop *loop;
    struct loop_timer *timer;
    struct pmixwire *wire;
    int peer;
    unsigned messages, ends;
    uint64_t sum; /* of what the messages say */
    int code;
    bool destroy_in_message;
};

static void on_message(void *arg, const Aolani__PmixMessage *m)
{
    struct rig *r = arg;
    r->messages++;
    if (m->is_case == AOLANI__PMIX_MESSAGE__IS_GET)
        r->sum += m->get->request;
    if (m->is_case == AOLANI__PMIX_MESSAGE__IS_FENCE)
        r->sum += m->fence->data.len;
    if (r->destroy_in_message) {
        pmixwire_destroy(r->wire);
        r->wire = NULL;
    }
}

static void on_ended(void *arg, const struct err *e)
{
    struct rig *r = arg;
    r->ends++;
    r->code = e->code;
}

static void on_timer(void *arg)
{
    struct rig *r = arg;
    loop_stop(r->loop);
}

static void run_for(struct rig *r, uint64_t ms)
{
    loop_timer_start(r->timer, ms, 0);
    loop_run(r->loop);
}

static int setup(void **state)
{
    static const struct pmixwire_ops ops = {on_message, on_ended};
    struct rig *r = calloc(1, sizeof *r);
    struct err e;
    int fds[2];
    assert_int_equal(loop_create(&r->loop, &e), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    r->timer = loop_timer_create(r->loop, on_timer, r);
    assert_int_equal(pmixwire_open(r->loop, fds[0], &ops, r, &r->wire, &e), 0);
    r->peer = fds[1];
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    pmixwire_destroy(r->wire);
    loop_timer_destroy(r->timer);
    if (r->peer >= 0)
        (void)close(r->peer);
    loop_run(r->loop);
    loop_destroy(r->loop);
    free(r);
    return 0;
}

static size_t make_get(uint64_t request, uint8_t *out)
{
    Aolani__ModexGet get = AOLANI__MODEX_GET__INIT;
    Aolani__PmixMessage m = AOLANI__PMIX_MESSAGE__INIT;
    get.request = request;
    m.is_case = AOLANI__PMIX_MESSAGE__IS_GET;
    m.get = &get;
    size_t len = aolani__pmix_message__get_packed_size(&m);
    aolani__pmix_message__pack(&m, put_u32(out, (uint32_t)len));
    return 4 + len;
}

static void put(struct rig *r, const void *data, size_t len)
{
    assert_int_equal(write(r->peer, data, len), (ssize_t)len);
}

static void test_pieces_and_several_at_once(void **state)
{
    struct rig *r = *state;
    uint8_t bytes[256];
    size_t len = 0;
    for (uint64_t i = 1; i <= 5; i++)
        len += make_get(i * 1000, bytes + len);
    for (size_t i = 0; i < 7; i++) { /* over the first frame's end, byte by byte */
        put(r, bytes + i, 1);
        run_for(r, 1);
    }
    put(r, bytes + 7, len - 7);
    run_for(r, 5);
    assert_int_equal(r->messages, 5);
    assert_int_equal(r->sum, 15000);
    (void)close(r->peer);
    r->peer = -1;
    run_for(r, 5);
    assert_int_equal(r->ends, 1);
    assert_int_equal(r->code, 0);
}

static void test_bytes_that_are_no_message(void **state)
{
    static const struct {
        uint8_t bytes[8];
        size_t len;
        int code;
    } rows[] = {
        {{0xff, 0xff, 0xff, 0xff}, 4, ERR_LIMIT},
        {{0x00, 0x02, 0x80, 0x00}, 4, ERR_LIMIT}, /* a little more than a frame */
        {{4, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}, 8, ERR_PROTO},
        {{2, 0, 0, 0, 0x0a, 0x7f}, 6, ERR_PROTO}, /* a field longer than the message */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (i > 0)
            (void)setup(state);
        struct rig *r = *state;
        put(r, rows[i].bytes, rows[i].len);
        put(r, "more", 4);
        run_for(r, 5);
        if (r->ends != 1 || r->code != rows[i].code || r->messages)
            fail_msg("row %zu: %u ends, code %d", i, r->ends, r->code);
        if (i + 1 < sizeof rows / sizeof *rows)
            (void)teardown(state);
    }
}

static void test_an_empty_message_is_one(void **state)
{
    struct rig *r = *state;
    put(r, "\0\0\0\0", 4);
    run_for(r, 5);
    assert_int_equal(r->messages, 1);
    assert_int_equal(r->ends, 0);
}

static void test_destroy_within_a_message(void **state)
{
    struct rig *r = *state;
    uint8_t bytes[128];
    size_t len = make_get(1, bytes);
    len += make_get(2, bytes + len);
    r->destroy_in_message = true;
    put(r, bytes, len);
    run_for(r, 5);
    assert_int_equal(r->messages, 1);
    assert_int_equal(r->ends, 0);
}

/* A whole frame and its neighbours arrive as they were sent. */
static void test_large_ones_both_ways(void **state)
{
    static const struct pmixwire_ops ops = {on_message, on_ended};
    struct rig *r = *state;
    struct rig other = {.loop = r->loop};
    struct err e;
    Aolani__Fence fence = AOLANI__FENCE__INIT;
    Aolani__PmixMessage m = AOLANI__PMIX_MESSAGE__INIT;
    assert_int_equal(pmixwire_open(r->loop, r->peer, &ops, &other, &other.wire, &e), 0);
    r->peer = -1;
    fence.data.len = LIMIT_FRAME;
    fence.data.data = calloc(1, LIMIT_FRAME);
    m.is_case = AOLANI__PMIX_MESSAGE__IS_FENCE;
    m.fence = &fence;
    assert_int_equal(pmixwire_send(other.wire, &m), 0);
    assert_int_equal(pmixwire_send(other.wire, &m), 0);
    assert_int_equal(pmixwire_send(r->wire, &m), 0);
    fence.data.len = 0;
    assert_int_equal(pmixwire_send(other.wire, &m), 0);
    run_for(r, 500);
    assert_int_equal(r->messages, 3);
    assert_int_equal(r->sum, 2ull * LIMIT_FRAME);
    assert_int_equal(other.sum, LIMIT_FRAME);
    free(fence.data.data);
    pmixwire_destroy(other.wire);
}

static void test_what_is_too_large_is_not_sent(void **state)
{
    struct rig *r = *state;
    Aolani__Fence fence = AOLANI__FENCE__INIT;
    Aolani__PmixMessage m = AOLANI__PMIX_MESSAGE__INIT;
    fence.data.len = LIMIT_FRAME + 1024;
    fence.data.data = calloc(1, fence.data.len);
    m.is_case = AOLANI__PMIX_MESSAGE__IS_FENCE;
    m.fence = &fence;
    assert_int_equal(pmixwire_send(r->wire, &m), ERR_LIMIT);
    fence.data.len = LIMIT_FRAME; /* and nobody reads */
    int rc = 0;
    for (int i = 0; i < 20 && !rc; i++)
        rc = pmixwire_send(r->wire, &m);
    assert_int_equal(rc, ERR_LIMIT);
    free(fence.data.data);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_pieces_and_several_at_once), TEST(test_bytes_that_are_no_message),
        TEST(test_an_empty_message_is_one),    TEST(test_destroy_within_a_message),
        TEST(test_large_ones_both_ways),       TEST(test_what_is_too_large_is_not_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
