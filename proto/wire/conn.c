/* SPDX-License-Identifier: MIT */
/* conn.c - stream, encryption and session of one connection put together.
 *
 * Bytes from the stream go to secure, its frames to the session; the session's frames go
 * through secure to the stream. One timer is the deadline for the proof, then the
 * session's heartbeat, and, at once, the end of a connection that failed in the middle
 * of a call of its owner.
 *
 * secure must not be destroyed from within itself. So whoever ends a connection while
 * its bytes are being taken in only marks it; on_data frees it on the way out.
 */
#include "proto/wire/conn.h"

#include <errno.h>
#include <stdlib.h>

struct conn {
    struct loop *loop;
    struct loop_stream *stream;
    struct secure *secure;
    struct session *session; /* attached to it by us */
    struct loop_timer *timer;
    const struct conn_ops *ops;
    void *arg;
    struct err why; /* code < 0: it has failed and will be closed */
    bool in_input;  /* secure_input is on the stack */
    bool in_closed; /* the closed callback is on the stack */
    bool destroyed;
};

static void conn_free(struct conn *c)
{
    loop_timer_destroy(c->timer);
    loop_stream_destroy(c->stream);
    secure_destroy(c->secure);
    free(c);
}

static void let_go_of_session(struct conn *c)
{
    if (c->session && session_carrier(c->session) == c) {
        session_set_carrier(c->session, NULL);
        session_detach(c->session);
    }
    c->session = NULL;
}

/* The one end of a connection that its owner did not destroy. */
static void close_conn(struct conn *c, const struct err *e)
{
    let_go_of_session(c);
    c->in_closed = true;
    c->ops->closed(c->arg, c, e);
    c->in_closed = false;
    c->destroyed = true;
    if (!c->in_input)
        conn_free(c);
}

void conn_destroy(struct conn *c)
{
    if (!c || c->destroyed || c->in_closed)
        return;
    let_go_of_session(c);
    c->destroyed = true;
    if (!c->in_input)
        conn_free(c);
}

/* From within a call of the owner or of secure: not now, but before anything else. */
static void fail_soon(struct conn *c)
{
    loop_timer_start(c->timer, 0, 0);
}

struct session *conn_session(const struct conn *c)
{
    return c->session;
}

size_t conn_queued(const struct conn *c)
{
    return loop_stream_queued(c->stream);
}

/* ---- out ---- */

void conn_output(struct conn *c, const void *frame, size_t len)
{
    if (c->destroyed || c->why.code < 0)
        return;
    /* Beyond the session's unacknowledged messages, each with its seal, there are only
     * heartbeats and answers: more, and the peer does not read. */
    size_t kept = c->session ? session_queued(c->session) : 0;
    if (conn_queued(c) > LIMIT_ANSWERS + 2 * kept) {
        err_set(&c->why, ERR_LIMIT,
                "send to the peer: it does not read, %zu bytes wait for it",
                conn_queued(c));
        fail_soon(c);
        return;
    }
    if (secure_send(c->secure, frame, len, &c->why) < 0)
        fail_soon(c);
}

static void on_secure_output(void *arg, const void *bytes, size_t len)
{
    struct conn *c = arg;
    /* A failure is told by on_end, a little later. */
    (void)loop_stream_write(c->stream, bytes, len);
}

/* ---- in ---- */

static void on_timer(void *arg)
{
    struct conn *c = arg;
    struct err e;
    if (c->why.code < 0) {
        e = c->why;
        close_conn(c, &e);
        return;
    }
    if (!c->session) {
        err_set(&e, -ETIMEDOUT, "wait for the peer to prove who it is: time is over");
        close_conn(c, &e);
        return;
    }
    int64_t due = session_tick(c->session, loop_now_ms(c->loop));
    if (due < 0) {
        err_set(&e, -ETIMEDOUT, "wait for the peer: it has been silent for too long");
        close_conn(c, &e);
    } else if (c->why.code == 0) {
        loop_timer_start(c->timer, (uint64_t)due, 0);
    }
}

static const struct secure_key *on_secure_key(void *arg, uint32_t node)
{
    struct conn *c = arg;
    return c->ops->key ? c->ops->key(c->arg, node) : NULL;
}

/* The node called again before its old connection was seen to be dead. */
static void replace(struct conn *old)
{
    struct err e;
    err_set(&e, -ECONNABORTED, "keep the connection: the peer has opened another");
    close_conn(old, &e);
}

static void on_secure_established(void *arg, uint32_t node, uint64_t epoch)
{
    struct conn *c = arg;
    struct session *s = c->ops->session(c->arg, c, node, epoch);
    if (c->destroyed)
        return;
    if (!s) {
        err_set(&c->why, ERR_AUTH, "accept node %u: it is not wanted", node);
        fail_soon(c);
        return;
    }
    struct conn *old = session_carrier(s);
    if (old)
        replace(old);
    session_set_carrier(s, c);
    c->session = s;
    uint64_t now = loop_now_ms(c->loop);
    session_attach(s, now);
    int64_t due = session_tick(s, now);
    if (c->why.code == 0)
        loop_timer_start(c->timer, due > 0 ? (uint64_t)due : 0, 0);
}

static int on_secure_frame(void *arg, const uint8_t *data, size_t len, struct err *e)
{
    struct conn *c = arg;
    if (c->destroyed)
        return err_set(e, -ECONNABORTED,
                       "take a frame: the connection is being closed");
    if (c->why.code < 0) {
        if (e)
            *e = c->why;
        return c->why.code;
    }
    return session_input(c->session, loop_now_ms(c->loop), data, len, e);
}

static bool on_secure_admit(void *arg, uint32_t node, const uint8_t *point)
{
    struct conn *c = arg;
    return !c->ops->admit || c->ops->admit(c->arg, node, point);
}

static const struct secure_ops secure_ops = {
    .output = on_secure_output,
    .key = on_secure_key,
    .admit = on_secure_admit,
    .established = on_secure_established,
    .frame = on_secure_frame,
};

static void on_data(void *arg, const uint8_t *data, size_t len)
{
    struct conn *c = arg;
    struct err e;
    c->in_input = true;
    int rc = secure_input(c->secure, data, len, &e);
    c->in_input = false;
    if (c->destroyed)
        conn_free(c);
    else if (rc < 0)
        close_conn(c, &e);
}

static void on_end(void *arg, int status)
{
    struct conn *c = arg;
    struct err e;
    if (status < 0)
        err_sys(&e, status, "keep the connection");
    else
        err_set(&e, 0, "the peer closed the connection");
    close_conn(c, &e);
}

static const struct loop_stream_ops stream_ops = {.on_data = on_data, .on_end = on_end};

/* ---- making ---- */

int conn_create(struct loop *l, struct loop_stream *stream,
                const struct secure_config *sc, const struct conn_ops *ops, void *arg,
                unsigned prove_ms, struct conn **ret, struct err *e)
{
    struct conn *c = calloc(1, sizeof *c);
    if (!c) {
        loop_stream_destroy(stream);
        return err_sys(e, -ENOMEM, "open a connection");
    }
    c->loop = l;
    c->stream = stream;
    c->ops = ops;
    c->arg = arg;
    c->timer = loop_timer_create(l, on_timer, c);
    int rc = c->timer ? secure_create(sc, &secure_ops, c, &c->secure, e)
                      : err_sys(e, -ENOMEM, "open a connection");
    if (rc < 0)
        goto fail;
    loop_stream_set(stream, &stream_ops, c);
    if (sc->role == ROLE_AGENT)
        rc = secure_start(c->secure, e);
    if (rc < 0)
        goto fail;
    if (prove_ms > 0)
        loop_timer_start(c->timer, prove_ms, 0);
    loop_stream_read(stream, true);
    *ret = c;
    return 0;
fail:
    conn_free(c);
    return rc;
}
