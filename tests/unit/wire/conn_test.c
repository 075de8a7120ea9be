/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/wire/conn.h"

#define PROVE_MS 150u

/* One end: the head's session with node 3, or node 3's with the head. */
struct end {
    struct fixture *f;
    struct session *session;
    struct conn *conn;
    unsigned sessions, got, closed;
    int code; /* of the last closed */
    char why[480];
    bool refuse, destroy_on_message;
    uint64_t last_seq;
};

struct fixture {
    struct loop *l;
    struct loop_timer *limit;
    struct loop_listener *listener;
    uint16_t port;
    struct end head, agent;
    struct secure_key job, key;
    int raw;         /* a peer that is none of ours */
    unsigned expect; /* stop when both have got this many */
};

static void check_done(struct fixture *f)
{
    if (f->expect && f->head.got >= f->expect && f->agent.got >= f->expect)
        loop_stop(f->l);
}

/* ---- session ops ---- */

static void on_output(void *arg, const void *frame, size_t len)
{
    struct end *x = arg;
    if (x->conn)
        conn_output(x->conn, frame, len);
}

static int on_message(void *arg, const struct envelope *v, struct err *e)
{
    struct end *x = arg;
    (void)e;
    if (v->seq) {
        assert_int_equal(v->seq, x->last_seq + 1);
        x->last_seq = v->seq;
    }
    x->got++;
    if (x->destroy_on_message) {
        conn_destroy(x->conn);
        x->conn = NULL;
        loop_stop(x->f->l);
    }
    check_done(x->f);
    return 0;
}

static const struct session_ops session_ops = {.output = on_output,
                                               .message = on_message};

/* ---- conn ops ---- */

static const struct secure_key *on_key(void *arg, uint32_t node)
{
    struct end *x = arg;
    return node == 3 ? &x->f->key : NULL;
}

static struct session *on_session(void *arg, struct conn *c, uint32_t node,
                                  uint64_t epoch)
{
    struct end *x = arg;
    assert_int_equal(node, 3);
    assert_int_equal(epoch, 1);
    x->sessions++;
    if (x->refuse)
        return NULL;
    x->conn = c;
    return x->session;
}

static void on_closed(void *arg, struct conn *c, const struct err *e)
{
    struct end *x = arg;
    x->closed++;
    x->code = e->code;
    (void)snprintf(x->why, sizeof x->why, "%s", e->text);
    conn_destroy(c); /* needless here, and harmless */
    if (x->conn == c) {
        x->conn = NULL;
        assert_false(session_is_attached(x->session));
        loop_stop(x->f->l);
    } else if (!x->f->expect) {
        loop_stop(x->f->l); /* replaced, or never proved */
    }
}

static const struct conn_ops conn_ops = {on_key, on_session, on_closed, NULL};

static struct secure_config config(struct fixture *f, enum session_role role)
{
    struct secure_config c = {.role = role, .run_id = "run 123", .node = 3};
    c.epoch = role == ROLE_HEAD;
    if (role == ROLE_AGENT)
        c.key = f->key;
    return c;
}

static void on_accept(void *arg, struct loop_stream *s, const struct sockaddr *from)
{
    struct fixture *f = arg;
    struct secure_config c = config(f, ROLE_HEAD);
    struct conn *conn;
    (void)from;
    assert_int_equal(
        conn_create(f->l, s, &c, &conn_ops, &f->head, PROVE_MS, &conn, NULL), 0);
    assert_null(conn_session(conn));
}

static void on_connect(void *arg, int status)
{
    (void)arg;
    assert_int_equal(status, 0);
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static struct conn *dial(struct fixture *f)
{
    struct sockaddr_in at = loopback(f->port);
    struct secure_config c = config(f, ROLE_AGENT);
    struct loop_stream *s;
    struct conn *conn;
    assert_int_equal(loop_stream_connect(f->l, (struct sockaddr *)&at, NULL, on_connect,
                                         NULL, &s, NULL),
                     0);
    loop_stream_set(s, NULL, NULL);
    assert_int_equal(
        conn_create(f->l, s, &c, &conn_ops, &f->agent, PROVE_MS, &conn, NULL), 0);
    return conn;
}

static void on_limit(void *arg)
{
    (void)arg;
    fail_msg("nothing happened for 10 s");
}

static int make_session(struct end *x, enum session_role role)
{
    struct session_config c = {.role = role,
                               .self = role == ROLE_HEAD ? 0 : 4,
                               .peer = role == ROLE_HEAD ? 4 : 0,
                               .epoch = role == ROLE_HEAD,
                               .heartbeat_ms = 20,
                               .silence_ms = 200,
                               .initial_credit = SESSION_INITIAL_CREDIT,
                               .incarnation = 1 + role,
                               .queue_bytes = LIMIT_SEND_QUEUE};
    return session_create(&c, &session_ops, x, &x->session, NULL);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *state = f;
    if (!f || loop_create(&f->l, NULL) < 0 || secure_init(NULL) < 0)
        return -1;
    struct sockaddr_in at = loopback(0);
    f->raw = -1;
    f->head.f = f->agent.f = f;
    secure_random(&f->job, sizeof f->job);
    secure_node_key(&f->job, 3, 0, &f->key);
    f->limit = loop_timer_create(f->l, on_limit, f);
    loop_timer_start(f->limit, 10000, 0);
    return loop_listen(f->l, (struct sockaddr *)&at, on_accept, f, &f->listener,
                       &f->port, NULL) < 0 ||
           make_session(&f->head, ROLE_HEAD) < 0 ||
           make_session(&f->agent, ROLE_AGENT) < 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    conn_destroy(f->head.conn);
    conn_destroy(f->agent.conn);
    conn_destroy(NULL);
    session_destroy(f->head.session);
    session_destroy(f->agent.session);
    loop_listener_destroy(f->listener);
    loop_timer_destroy(f->limit);
    loop_destroy(f->l);
    if (f->raw >= 0)
        close(f->raw);
    free(f);
    return 0;
}

static void say(struct end *x)
{
    bool head = x == &x->f->head;
    /* Legal in every phase of the other side. */
    int64_t rc = session_send(x->session, loop_now_ms(x->f->l),
                              head ? MSG_STOP : MSG_LOG, 0, "hello", 5, NULL);
    assert_true(rc > 0);
}

static void pass(struct fixture *f, unsigned expect)
{
    say(&f->head);
    say(&f->agent);
    f->expect = expect;
    loop_run(f->l);
    f->expect = 0;
    assert_int_equal(f->head.got, expect);
    assert_int_equal(f->agent.got, expect);
}

static void on_time(void *arg)
{
    loop_stop(arg);
}

static void run_for(struct fixture *f, unsigned ms)
{
    struct loop_timer *t = loop_timer_create(f->l, on_time, f->l);
    loop_timer_start(t, ms, 0);
    loop_run(f->l);
    loop_timer_destroy(t);
}

/* ---- tests ---- */

static void test_messages_pass_and_silence_is_kept_away(void **state)
{
    struct fixture *f = *state;
    (void)dial(f);
    pass(f, 1);
    assert_ptr_equal(conn_session(f->head.conn), f->head.session);
    run_for(f, 500); /* more than silence_ms, nothing said: heartbeats do it */
    assert_int_equal(f->head.closed + f->agent.closed, 0);
    pass(f, 2);
}

static void test_cut_link_loses_nothing(void **state)
{
    struct fixture *f = *state;
    struct conn *c = dial(f);
    pass(f, 1);
    for (unsigned i = 2; i < 6; i++) {
        conn_destroy(c); /* no callback at this end, an end of file at the other */
        f->agent.conn = NULL;
        assert_false(session_is_attached(f->agent.session));
        say(&f->agent); /* while there is no link */
        loop_run(f->l);
        assert_int_equal(f->head.closed, i - 1);
        say(&f->head);
        c = dial(f);
        f->expect = i;
        loop_run(f->l);
        f->expect = 0;
    }
    assert_int_equal(f->head.got, 5);
    assert_int_equal(f->agent.got, 5);
    assert_int_equal(f->head.sessions, 5);
}

static void test_new_connection_replaces_the_old(void **state)
{
    struct fixture *f = *state;
    struct conn *first = dial(f);
    pass(f, 1);
    struct conn *old = f->head.conn;
    /* As an agent does that gave up a link of which the head still hears nothing bad. */
    (void)dial(f);
    while (f->head.closed + f->agent.closed < 2)
        loop_run(f->l);
    pass(f, 2);
    assert_ptr_not_equal(f->head.conn, old);
    assert_ptr_not_equal(f->agent.conn, first);
    assert_true(session_is_attached(f->head.session));
    assert_int_equal(f->head.code, -ECONNABORTED);
}

static void raw_dial(struct fixture *f)
{
    struct sockaddr_in at = loopback(f->port);
    f->raw = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(f->raw, (struct sockaddr *)&at, sizeof at), 0);
}

static void test_garbage_is_closed_without_a_word(void **state)
{
    struct fixture *f = *state;
    char byte;
    raw_dial(f);
    static const char web[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    char big[4096];
    memset(big, 'x', sizeof big);
    assert_int_equal(write(f->raw, web, sizeof web - 1), sizeof web - 1);
    assert_int_equal(write(f->raw, big, sizeof big), sizeof big);
    loop_run(f->l);
    assert_int_equal(f->head.closed, 1);
    assert_int_equal(f->head.code, ERR_PROTO);
    assert_int_equal(f->head.sessions, 0);
    run_for(f, 10);
    assert_true(read(f->raw, &byte, 1) <= 0);
}

static void test_quiet_peer_is_closed_in_time(void **state)
{
    struct fixture *f = *state;
    char byte;
    uint64_t before = loop_now_ms(f->l);
    raw_dial(f);
    loop_run(f->l);
    assert_int_equal(f->head.code, -ETIMEDOUT);
    assert_true(loop_now_ms(f->l) - before >= PROVE_MS);
    run_for(f, 10);
    assert_int_equal(read(f->raw, &byte, 1), 0);
}

static void test_wrong_key_is_refused(void **state)
{
    struct fixture *f = *state;
    struct secure_key right = f->key;
    /* Another node's key under this node's name. */
    secure_node_key(&f->job, 4, 0, &f->key);
    f->agent.conn = dial(f);
    f->key = right;
    loop_run(f->l);
    assert_int_equal(f->head.code, ERR_AUTH);
    assert_int_equal(f->head.sessions, 0);
}

static void test_owner_refuses(void **state)
{
    struct fixture *f = *state;
    f->head.refuse = true;
    (void)dial(f);
    loop_run(f->l);
    if (!f->head.closed)
        loop_run(f->l);
    assert_int_equal(f->head.sessions, 1);
    assert_int_equal(f->head.closed, 1);
    assert_int_equal(f->head.code, ERR_AUTH);
    assert_string_equal(f->head.why, "accept node 3: it is not wanted");
}

static void test_destroy_from_within_a_message(void **state)
{
    struct fixture *f = *state;
    (void)dial(f);
    f->head.destroy_on_message = true;
    say(&f->agent);
    loop_run(f->l);
    assert_int_equal(f->head.got, 1);
    assert_int_equal(f->head.closed, 0);
    assert_false(session_is_attached(f->head.session));
}

static void test_silent_peer_is_given_up(void **state)
{
    struct fixture *f = *state;
    /* A host that froze: its link is there and says nothing. */
    struct session_config mute = {.role = ROLE_AGENT,
                                  .self = 4,
                                  .heartbeat_ms = 1000000,
                                  .silence_ms = 1000000,
                                  .incarnation = 2,
                                  .queue_bytes = LIMIT_SEND_QUEUE};
    session_destroy(f->agent.session);
    assert_int_equal(
        session_create(&mute, &session_ops, &f->agent, &f->agent.session, NULL), 0);
    (void)dial(f);
    while (!f->head.closed)
        loop_run(f->l);
    assert_int_equal(f->head.sessions, 1);
    assert_int_equal(f->head.code, -ETIMEDOUT);
    assert_string_equal(f->head.why,
                        "wait for the peer: it has been silent for too long");
}

static void test_message_out_of_order_of_phases_ends_the_link(void **state)
{
    struct fixture *f = *state;
    (void)dial(f);
    pass(f, 1);
    session_set_phase(f->agent.session, PHASE_RUNNING);
    assert_true(session_send(f->agent.session, loop_now_ms(f->l), MSG_STARTED, 0, "", 0,
                             NULL) > 0); /* the head still waits for NODE_INFO */
    loop_run(f->l);
    assert_int_equal(f->head.closed, 1);
    assert_int_equal(f->head.code, ERR_PROTO);
    assert_non_null(strstr(f->head.why, "STARTED"));
}

/* Whoever makes us answer and never reads must not fill our memory with answers. */
static void test_peer_that_does_not_read_is_given_up(void **state)
{
    struct fixture *f = *state;
    size_t most = 0;
    (void)dial(f);
    pass(f, 1);
    for (int i = 0; i < 200000; i++) { /* 20 MB; the loop does not run: nobody reads */
        (void)session_send(f->head.session, loop_now_ms(f->l), MSG_PONG, 0,
                           "0123456789012345678901234567890123456789", 40, NULL);
        most = conn_queued(f->head.conn) > most ? conn_queued(f->head.conn) : most;
    }
    assert_in_range(most, 1u << 20, 5u << 20);
    loop_run(f->l);
    assert_int_equal(f->head.closed, 1);
    assert_int_equal(f->head.code, ERR_LIMIT);
    assert_non_null(strstr(f->head.why, "does not read"));
}

static void test_many_pending_are_all_closed(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_in at = loopback(f->port);
    int fd[40];
    for (size_t i = 0; i < 40; i++) {
        fd[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(fd[i], (struct sockaddr *)&at, sizeof at), 0);
    }
    while (f->head.closed < 40)
        loop_run(f->l);
    for (size_t i = 0; i < 40; i++)
        close(fd[i]);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_messages_pass_and_silence_is_kept_away),
        T(test_cut_link_loses_nothing),
        T(test_new_connection_replaces_the_old),
        T(test_garbage_is_closed_without_a_word),
        T(test_quiet_peer_is_closed_in_time),
        T(test_wrong_key_is_refused),
        T(test_owner_refuses),
        T(test_destroy_from_within_a_message),
        T(test_silent_peer_is_given_up),
        T(test_message_out_of_order_of_phases_ends_the_link),
        T(test_peer_that_does_not_read_is_given_up),
        T(test_many_pending_are_all_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
