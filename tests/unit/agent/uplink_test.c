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
#include <unistd.h>

#include "agent/uplink.h"
#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/wire/conn.h"
#include "proto/wire/secure.h"

/* A head and an uplink on one loop. */
struct bench {
    struct loop *loop;
    struct loop_timer *limit;
    struct loop_listener *listener;
    uint16_t port;
    struct secure_key key;
    struct secure_config head;
    struct session *session;
    struct conn *link; /* of the head */
    Aolani__Boot boot;
    uint8_t run[SECURE_RUN_BYTES];
    char address[64], dead[64];
    char why[400]; /* of the last LINK */
    char *heads[3];
    struct uplink *up;
    unsigned at_head[64], at_agent[64], links, unlinked;
    uint64_t pong_ns;
    unsigned want; /* stop when the head has this many messages of NODE_INFO and LOG */
    bool lease_over, timed_out;
};

static const struct secure_key *on_key(void *arg, uint32_t node)
{
    struct bench *b = arg;
    return node == 2 ? &b->key : NULL;
}

static struct session *on_session(void *arg, struct conn *c, uint32_t node,
                                  uint64_t epoch)
{
    struct bench *b = arg;
    (void)node;
    (void)epoch;
    b->link = c;
    b->links++;
    return b->session;
}

static void on_closed(void *arg, struct conn *c, const struct err *e)
{
    struct bench *b = arg;
    (void)e;
    if (b->link == c)
        b->link = NULL;
}

static const struct conn_ops head_ops = {
    .key = on_key, .session = on_session, .closed = on_closed};

static void on_accept(void *arg, struct loop_stream *s, const struct sockaddr *from)
{
    struct bench *b = arg;
    struct conn *c;
    (void)from;
    (void)conn_create(b->loop, s, &b->head, &head_ops, b, 10000, &c, NULL);
}

static void on_head_output(void *arg, const void *frame, size_t len)
{
    struct bench *b = arg;
    if (b->link)
        conn_output(b->link, frame, len);
}

static int on_head_message(void *arg, const struct envelope *v, struct err *e)
{
    struct bench *b = arg;
    (void)e;
    b->at_head[v->type]++;
    if (v->type == MSG_LINK) {
        Aolani__Link *m = aolani__link__unpack(NULL, v->payload_len, v->payload);
        (void)snprintf(b->why, sizeof b->why, "%s", m->why);
        aolani__link__free_unpacked(m, NULL);
    }
    if (v->type == MSG_PONG) {
        Aolani__Pong *m = aolani__pong__unpack(NULL, v->payload_len, v->payload);
        b->pong_ns = m->t_ping_ns;
        aolani__pong__free_unpacked(m, NULL);
        loop_stop(b->loop);
    }
    if (b->at_head[MSG_NODE_INFO] + b->at_head[MSG_LOG] == b->want)
        loop_stop(b->loop);
    return 0;
}

static int on_agent_message(void *arg, const struct envelope *v, struct err *e)
{
    struct bench *b = arg;
    (void)e;
    b->at_agent[v->type]++;
    loop_stop(b->loop);
    return 0;
}

static void on_acked(void *arg, uint64_t seq)
{
    (void)arg;
    (void)seq;
}

static void on_credit(void *arg)
{
    (void)arg;
}

static void on_unlinked(void *arg)
{
    struct bench *b = arg;
    assert_false(uplink_is_linked(b->up));
    b->unlinked++;
}

static void on_lease_over(void *arg)
{
    struct bench *b = arg;
    b->lease_over = true;
    loop_stop(b->loop);
}

static void on_limit(void *arg)
{
    struct bench *b = arg;
    b->timed_out = true;
    loop_stop(b->loop);
}

static void begin(struct bench *b)
{
    static const struct session_ops ops = {.output = on_head_output,
                                           .message = on_head_message};
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    memset(b, 0, sizeof *b);
    assert_int_equal(loop_create(&b->loop, NULL), 0);
    b->limit = loop_timer_create(b->loop, on_limit, b);
    assert_int_equal(loop_listen(b->loop, (struct sockaddr *)&at, on_accept, b,
                                 &b->listener, &b->port, NULL),
                     0);
    secure_random(&b->key, sizeof b->key);
    b->head.role = ROLE_HEAD;
    b->head.epoch = 7;
    struct session_config c = {.role = ROLE_HEAD,
                               .self = 0,
                               .peer = 3,
                               .epoch = 7,
                               .heartbeat_ms = 1000,
                               .silence_ms = 15000,
                               .initial_credit = SESSION_INITIAL_CREDIT,
                               .incarnation = 5,
                               .queue_bytes = LIMIT_SEND_QUEUE};
    assert_int_equal(session_create(&c, &ops, b, &b->session, NULL), 0);
    aolani__boot__init(&b->boot);
    b->boot.run_id.data = b->run;
    b->boot.run_id.len = sizeof b->run;
    b->boot.key.data = b->key.b;
    b->boot.key.len = sizeof b->key.b;
    b->boot.node_index = 2;
    b->boot.n_nodes = 4;
    b->boot.lease_ms = 60000;
    b->boot.epoch = 7;
    (void)snprintf(b->address, sizeof b->address, "127.0.0.1:%u", b->port);
    (void)snprintf(b->dead, sizeof b->dead, "127.0.0.1:1"); /* nobody listens there */
    b->heads[0] = b->dead;
    b->heads[1] = b->address;
    b->boot.heads = b->heads;
    b->boot.n_heads = 2;
}

static void dial(struct bench *b, int in, int out)
{
    static const struct uplink_ops ops = {.message = on_agent_message,
                                          .acked = on_acked,
                                          .credit = on_credit,
                                          .unlinked = on_unlinked,
                                          .lease_over = on_lease_over};
    assert_int_equal(uplink_create(b->loop, &b->boot, in, out, &ops, b, &b->up, NULL),
                     0);
}

static void finish(struct bench *b)
{
    uplink_destroy(b->up);
    conn_destroy(b->link);
    loop_listener_destroy(b->listener);
    session_destroy(b->session);
    loop_timer_destroy(b->limit);
    loop_destroy(b->loop);
}

static void run(struct bench *b, uint64_t ms)
{
    loop_timer_start(b->limit, ms, 0);
    loop_run(b->loop);
}

static void say_hello(struct bench *b)
{
    const struct upward *up = uplink_upward(b->up);
    Aolani__NodeInfo m = AOLANI__NODE_INFO__INIT;
    assert_true(up->send(up->arg, MSG_NODE_INFO, &m.base) > 0);
    uplink_set_phase(b->up, PHASE_READY);
}

static void say_log(struct bench *b)
{
    const struct upward *up = uplink_upward(b->up);
    Aolani__Log m = AOLANI__LOG__INIT;
    m.text = (char *)"words";
    assert_true(up->send(up->arg, MSG_LOG, &m.base) > 0);
}

static void test_the_candidate_that_answers(void **state)
{
    (void)state;
    struct bench b;
    begin(&b);
    dial(&b, -1, -1);
    say_hello(&b);
    b.want = 1;
    run(&b, 5000);
    assert_int_equal(b.at_head[MSG_NODE_INFO], 1);
    assert_int_equal(b.links, 1);
    finish(&b);
}

static void test_a_ping_is_answered(void **state)
{
    (void)state;
    struct bench b;
    begin(&b);
    dial(&b, -1, -1);
    say_hello(&b);
    b.want = 1;
    run(&b, 5000);
    Aolani__Ping m = AOLANI__PING__INIT;
    uint8_t bytes[32];
    m.t_ns = 4711;
    size_t len = aolani__ping__pack(&m, bytes);
    assert_int_equal(
        session_send(b.session, loop_now_ms(b.loop), MSG_PING, 0, bytes, len, NULL), 0);
    run(&b, 5000);
    assert_int_equal(b.pong_ns, 4711);
    assert_int_equal(b.at_agent[MSG_PING], 0); /* the job has nothing to do with it */
    finish(&b);
}

/* Links end; nothing is lost and nothing comes twice. */
static void test_a_link_that_breaks(void **state)
{
    (void)state;
    struct bench b;
    begin(&b);
    dial(&b, -1, -1);
    say_hello(&b);
    b.want = 1;
    run(&b, 5000);
    for (unsigned i = 2; i <= 5; i++) {
        struct conn *c = b.link;
        b.link = NULL;
        conn_destroy(c);
        say_log(&b);
        b.want = i;
        run(&b, 5000);
        assert_false(b.timed_out);
    }
    assert_int_equal(b.at_head[MSG_NODE_INFO], 1);
    assert_int_equal(b.at_head[MSG_LOG], 4);
    assert_int_equal(b.links, 5);
    assert_int_equal(b.unlinked, 4);
    finish(&b);
}

static void test_the_starters_channel(void **state)
{
    (void)state;
    struct bench b;
    struct loop_stream *s;
    static const struct loop_stream_ops none = {0};
    struct conn *c;
    int down[2], up[2];
    begin(&b);
    b.boot.n_heads = 1; /* the dead one */
    assert_int_equal(pipe2(down, O_CLOEXEC), 0);
    assert_int_equal(pipe2(up, O_CLOEXEC), 0);
    assert_int_equal(loop_stream_open(b.loop, up[0], down[1], &none, NULL, &s, NULL),
                     0);
    assert_int_equal(conn_create(b.loop, s, &b.head, &head_ops, &b, 0, &c, NULL), 0);
    dial(&b, down[0], up[1]);
    say_hello(&b);
    b.want = 1;
    run(&b, 5000);
    assert_int_equal(b.at_head[MSG_NODE_INFO], 1);
    b.want = 2; /* with a LOG, which comes after LINK */
    say_log(&b);
    run(&b, 5000);
    assert_string_equal(b.why, "127.0.0.1:1: connection refused");
    /* It ends; TCP works meanwhile, but who gave no address cannot be reached: the lease
     * runs. */
    b.boot.lease_ms = 200;
    b.link = NULL;
    conn_destroy(c);
    run(&b, 5000);
    assert_true(b.lease_over);
    finish(&b);
}

/* The first address takes connections and says nothing, as behind a wall. */
static void test_a_silent_first_address(void **state)
{
    (void)state;
    struct bench b;
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    begin(&b);
    int silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(silent, (struct sockaddr *)&at, len), 0);
    assert_int_equal(listen(silent, 5), 0);
    assert_int_equal(getsockname(silent, (struct sockaddr *)&at, &len), 0);
    (void)snprintf(b.dead, sizeof b.dead, "127.0.0.1:%u", ntohs(at.sin_port));
    dial(&b, -1, -1);
    say_hello(&b);
    b.want = 1;
    run(&b, 2500); /* less than a round of tries */
    assert_int_equal(b.at_head[MSG_NODE_INFO], 1);
    assert_int_equal(b.links, 1);
    close(silent);
    finish(&b);
}

/* Only the channel is left, and the head is slow to take it up: longer than a round. */
static void test_a_slow_head_over_the_channel(void **state)
{
    (void)state;
    struct bench b;
    struct loop_stream *s;
    static const struct loop_stream_ops none = {0};
    struct conn *c;
    int down[2], up[2];
    begin(&b);
    b.boot.n_heads = 0;
    assert_int_equal(pipe2(down, O_CLOEXEC), 0);
    assert_int_equal(pipe2(up, O_CLOEXEC), 0);
    assert_int_equal(loop_stream_open(b.loop, up[0], down[1], &none, NULL, &s, NULL),
                     0);
    dial(&b, down[0], up[1]);
    say_hello(&b);
    run(&b, 3500);
    assert_int_equal(conn_create(b.loop, s, &b.head, &head_ops, &b, 0, &c, NULL), 0);
    b.want = 2;
    say_log(&b);
    run(&b, 5000);
    assert_int_equal(b.at_head[MSG_NODE_INFO], 1);
    assert_string_equal(b.why, "no address of the head is known");
    b.link = NULL;
    conn_destroy(c);
    finish(&b);
}

static void test_a_channel_that_has_ended_is_not_the_end(void **state)
{
    (void)state;
    struct bench b;
    int p[2];
    begin(&b);
    assert_int_equal(pipe2(p, O_CLOEXEC), 0);
    int out = open("/dev/null", O_WRONLY | O_CLOEXEC);
    close(p[1]); /* end of file at once: ssh has gone */
    dial(&b, p[0], out);
    say_hello(&b);
    b.want = 1;
    run(&b, 5000);
    assert_int_equal(b.at_head[MSG_NODE_INFO], 1);
    assert_false(b.lease_over);
    finish(&b);
}

static void test_nobody_answers(void **state)
{
    (void)state;
    struct bench b;
    begin(&b);
    b.boot.n_heads = 1;
    b.boot.lease_ms = 300;
    uint64_t began = clock_mono_ns();
    dial(&b, -1, -1);
    say_hello(&b);
    run(&b, 5000);
    assert_true(b.lease_over);
    uint64_t took_ms = (clock_mono_ns() - began) / 1000000;
    assert_in_range(took_ms, 290, 2000);
    assert_int_equal(b.links, 0);
    finish(&b);
}

/* Somebody else listens there: what cannot prove that it is the head is not obeyed. */
static void test_a_wrong_head(void **state)
{
    (void)state;
    struct bench b;
    begin(&b);
    b.boot.lease_ms = 500;
    struct secure_key other;
    secure_random(&other, sizeof other);
    b.boot.key.data = other.b;
    dial(&b, -1, -1);
    say_hello(&b);
    run(&b, 5000);
    assert_true(b.lease_over);
    assert_int_equal(b.links, 0);
    finish(&b);
}

static int set_up(void **state)
{
    (void)state;
    return secure_init(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_candidate_that_answers),
        cmocka_unit_test(test_a_ping_is_answered),
        cmocka_unit_test(test_a_link_that_breaks),
        cmocka_unit_test(test_the_starters_channel),
        cmocka_unit_test(test_a_silent_first_address),
        cmocka_unit_test(test_a_slow_head_over_the_channel),
        cmocka_unit_test(test_a_channel_that_has_ended_is_not_the_end),
        cmocka_unit_test(test_nobody_answers),
        cmocka_unit_test(test_a_wrong_head),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
