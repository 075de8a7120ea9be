/* SPDX-License-Identifier: MIT */
/* uplink.c - see uplink.h. */
#include "agent/uplink.h"

#include "agent/heads.h"
#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/log.h"
#include "proto/wire/conn.h"
#include "proto/wire/secure.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UPLINK_TRY_MS       3000
#define UPLINK_FIRST_MS     150 /* the best address comes first, but is not waited for */
#define UPLINK_PAUSE_MS     50
#define UPLINK_PAUSE_MAX_MS 1000
#define UPLINK_PROVE_MS     10000
#define UPLINK_HEARTBEAT_MS 1000
#define UPLINK_SILENCE_MS   15000
#define UPLINK_WHY          400
#define UPLINK_WHY_SHOWN    4 /* addresses named in words */

/* One connection being made, or the one that carries the session. */
struct uplink_try {
    struct uplink *uplink;
    struct loop_stream *stream; /* until it is connected */
    struct conn *conn;          /* then */
    bool live;
    int failed; /* why the last one did not come to a link; 0: no answer */
};

struct uplink {
    struct loop *loop;
    const Aolani__Boot *boot;
    const struct uplink_ops *ops;
    void *arg;
    struct upward upward;
    struct heads heads;
    struct secure_config key;
    struct session *session;
    uint32_t attempt;
    int in_fd, out_fd;                      /* -1: used up */
    struct uplink_try tries[HEADS_MAX + 1]; /* the last is the starter's channel */
    struct conn *link;                      /* carries the session */
    uint64_t pause_ms;
    struct loop_timer *again; /* limit of a round of tries, then the pause */
    struct loop_timer *lease;
    bool pausing;
    bool others_wait; /* only the first address is being tried */
    bool linked;      /* it was, once */
    bool told_no_way;
    char why[UPLINK_WHY]; /* what was met before the starter's channel was taken */
};

static void uplink_round(struct uplink *u);
static void uplink_dial_others(struct uplink *u);

/* ---- connections ---- */

static void uplink_try_end(struct uplink_try *t)
{
    loop_stream_destroy(t->stream);
    conn_destroy(t->conn);
    t->stream = NULL;
    t->conn = NULL;
    t->live = false;
}

static struct uplink_try *uplink_channel(struct uplink *u)
{
    return &u->tries[HEADS_MAX];
}

static void uplink_end_others(struct uplink *u, const struct uplink_try *keep)
{
    for (size_t i = 0; i <= HEADS_MAX; i++) {
        if (&u->tries[i] != keep && u->tries[i].live)
            uplink_try_end(&u->tries[i]);
    }
}

/* Whether an address of the head may yet answer in this round. */
static bool uplink_is_trying(const struct uplink *u)
{
    for (size_t i = 0; i < HEADS_MAX; i++) {
        if (u->tries[i].live)
            return true;
    }
    return false;
}

static void uplink_pause(struct uplink *u)
{
    u->pausing = true;
    loop_timer_start(u->again, u->pause_ms, 0);
    u->pause_ms =
        2 * u->pause_ms < UPLINK_PAUSE_MAX_MS ? 2 * u->pause_ms : UPLINK_PAUSE_MAX_MS;
}

static void uplink_say_why(struct uplink *u)
{
    Aolani__Link m = AOLANI__LINK__INIT;
    m.why = u->why;
    (void)u->upward.send(u, MSG_LINK, &m.base);
}

static struct session *uplink_on_session(void *arg, struct conn *c, uint32_t node,
                                         uint64_t epoch)
{
    struct uplink_try *t = arg;
    struct uplink *u = t->uplink;
    (void)node;
    if (epoch > u->key.epoch)
        u->key.epoch = epoch;
    u->link = c;
    u->linked = true;
    u->pause_ms = UPLINK_PAUSE_MS;
    u->pausing = u->others_wait = false;
    loop_timer_stop(u->again);
    loop_timer_stop(u->lease);
    uplink_end_others(u, t);
    log_debug("connected to the head%s",
              t == uplink_channel(u) ? " over the starter's channel" : "");
    if (t == uplink_channel(u))
        uplink_say_why(u);
    return u->session;
}

static void uplink_on_closed(void *arg, struct conn *c, const struct err *e)
{
    struct uplink_try *t = arg;
    struct uplink *u = t->uplink;
    t->conn = NULL;
    t->live = false;
    t->failed = e->code ? e->code : -ECONNRESET;
    log_debug("connection to the head: %s", e->text);
    if (u->link == c) {
        u->link = NULL;
        loop_timer_start(u->lease, u->boot->lease_ms, 0);
        uplink_pause(u);
        u->ops->unlinked(u->arg);
    } else if (!u->link && !u->pausing && !uplink_is_trying(u)) {
        loop_timer_start(u->again, 0, 0);
    }
}

static const struct conn_ops uplink_conn_ops = {.session = uplink_on_session,
                                                .closed = uplink_on_closed};

/* The channel has as long as its starter lives: where it is all there is, a head that is
 * slow to answer must not lose the node. */
static void uplink_open(struct uplink_try *t)
{
    struct uplink *u = t->uplink;
    struct loop_stream *s = t->stream;
    unsigned prove_ms = t == uplink_channel(u) ? 0 : UPLINK_PROVE_MS;
    struct err e;
    t->stream = NULL;
    if (conn_create(u->loop, s, &u->key, &uplink_conn_ops, t, prove_ms, &t->conn, &e) <
        0) {
        log_debug("%s", e.text);
        t->live = false;
    }
}

static void uplink_on_connect(void *arg, int status)
{
    struct uplink_try *t = arg;
    struct uplink *u = t->uplink;
    t->failed = status;
    if (status < 0)
        uplink_try_end(t);
    else
        uplink_open(t);
    if (!u->link && !u->pausing && !uplink_is_trying(u))
        loop_timer_start(u->again, 0, 0);
}

static void uplink_on_early_end(void *arg, int status)
{
    (void)status;
    uplink_on_connect(arg, -ECONNRESET);
}

static void uplink_on_early_data(void *arg, const uint8_t *data, size_t len)
{
    (void)arg; /* reading begins with the conn, which sets its own */
    (void)data;
    (void)len;
}

static const struct loop_stream_ops uplink_early_ops = {.on_data = uplink_on_early_data,
                                                        .on_end = uplink_on_early_end};

static const char *uplink_failure(const struct uplink_try *t, char *text, size_t len)
{
    if (t->conn)
        return "it accepts, but does not prove to be the head";
    if (t->live || t->failed == 0 || t->failed == -ETIMEDOUT)
        return "no answer";
    if (t->failed <= ERR_USAGE)
        return "it is not the head";
    (void)snprintf(text, len, "%s", strerror(-t->failed));
    text[0] = (char)tolower((unsigned char)text[0]);
    return text;
}

/* Before the tries of this round are ended. */
static void uplink_note_why(struct uplink *u)
{
    size_t at = 0;
    u->why[0] = '\0';
    for (size_t i = 0; i < u->heads.n && i < UPLINK_WHY_SHOWN; i++) {
        char address[HEADS_TEXT], text[80];
        heads_format(&u->heads.at[i], address);
        at += (size_t)snprintf(u->why + at, sizeof u->why - at, "%s%s: %s",
                               at ? ", " : "", address,
                               uplink_failure(&u->tries[i], text, sizeof text));
        if (at >= sizeof u->why)
            return;
    }
    if (u->heads.n > UPLINK_WHY_SHOWN)
        (void)snprintf(u->why + at, sizeof u->why - at, " and %zu more",
                       u->heads.n - UPLINK_WHY_SHOWN);
    else if (u->heads.n == 0)
        (void)snprintf(u->why, sizeof u->why, "no address of the head is known");
}

/* Without a channel the starter can at least pass on why there is no link. */
static void uplink_say_no_way(struct uplink *u)
{
    if (u->boot->n_group == 0 || u->told_no_way || u->linked)
        return;
    u->told_no_way = true;
    uplink_note_why(u);
    log_note("the head cannot be reached: %s", u->why);
}

/* Once: what has gone into a channel that came to nothing cannot be taken back. */
static void uplink_use_channel(struct uplink *u)
{
    struct uplink_try *t = uplink_channel(u);
    struct err e;
    if (u->in_fd < 0) {
        uplink_say_no_way(u);
        return;
    }
    int in = u->in_fd, out = u->out_fd;
    u->in_fd = u->out_fd = -1;
    if (loop_stream_open(u->loop, in, out, &uplink_early_ops, t, &t->stream, &e) < 0) {
        log_debug("%s", e.text);
        return;
    }
    t->live = true;
    uplink_note_why(u);
    uplink_open(t);
}

/* The round of tries is over without a link, or the pause after it is. The channel is
 * tried beside further rounds: after an outage of the whole network TCP may be the
 * first that works again. */
static void uplink_on_again(void *arg)
{
    struct uplink *u = arg;
    if (u->pausing) {
        u->pausing = false;
        uplink_round(u);
        return;
    }
    if (u->others_wait) {
        uplink_dial_others(u);
        return;
    }
    uplink_use_channel(u);
    uplink_end_others(u, uplink_channel(u));
    if (!u->link)
        uplink_pause(u);
}

static void uplink_dial(struct uplink *u, size_t i)
{
    struct uplink_try *t = &u->tries[i];
    struct err e;
    t->failed = 0;
    t->live = loop_stream_connect(u->loop, (const struct sockaddr *)&u->heads.at[i],
                                  &uplink_early_ops, uplink_on_connect, t, &t->stream,
                                  &e) == 0;
    if (!t->live) {
        t->failed = e.code;
        log_debug("%s", e.text);
    }
}

static void uplink_dial_others(struct uplink *u)
{
    u->others_wait = false;
    for (size_t i = 1; i < u->heads.n; i++)
        uplink_dial(u, i);
    loop_timer_start(u->again, uplink_is_trying(u) ? UPLINK_TRY_MS : 0, 0);
}

/* Where several addresses answer, the same one carries the session each time. */
static void uplink_round(struct uplink *u)
{
    if (u->heads.n > 0)
        uplink_dial(u, 0);
    u->others_wait = u->heads.n > 1;
    uint64_t wait = u->others_wait ? UPLINK_FIRST_MS : UPLINK_TRY_MS;
    loop_timer_start(u->again, uplink_is_trying(u) ? wait : 0, 0);
}

static void uplink_on_lease(void *arg)
{
    struct uplink *u = arg;
    u->ops->lease_over(u->arg);
}

/* ---- the session ---- */

static void uplink_on_output(void *arg, const void *frame, size_t len)
{
    struct uplink *u = arg;
    if (u->link)
        conn_output(u->link, frame, len);
}

static int uplink_pong(struct uplink *u, const struct envelope *v, struct err *e)
{
    Aolani__Ping *ping = aolani__ping__unpack(NULL, v->payload_len, v->payload);
    if (!ping)
        return err_set(e, ERR_PROTO, "read a PING: it does not decode");
    Aolani__Pong pong = AOLANI__PONG__INIT;
    pong.t_ping_ns = ping->t_ns;
    pong.t_ns = clock_mono_ns();
    aolani__ping__free_unpacked(ping, NULL);
    (void)u->upward.send(u, MSG_PONG, &pong.base);
    return 0;
}

static int uplink_on_message(void *arg, const struct envelope *v, struct err *e)
{
    struct uplink *u = arg;
    if (v->type == MSG_PING)
        return uplink_pong(u, v, e);
    return u->ops->message(u->arg, v, e);
}

static void uplink_on_acked(void *arg, uint64_t seq)
{
    struct uplink *u = arg;
    u->ops->acked(u->arg, seq);
}

static void uplink_on_credit(void *arg)
{
    struct uplink *u = arg;
    u->ops->credit(u->arg);
}

static int64_t uplink_send(void *arg, enum message_type type, const ProtobufCMessage *m)
{
    struct uplink *u = arg;
    size_t len = protobuf_c_message_get_packed_size(m);
    uint8_t *bytes = len <= LIMIT_FRAME ? malloc(len + 1) : NULL;
    if (!bytes)
        return len <= LIMIT_FRAME ? -ENOMEM : ERR_LIMIT;
    (void)protobuf_c_message_pack(m, bytes);
    struct err e;
    int64_t rc = session_send(u->session, loop_now_ms(u->loop), type, u->attempt, bytes,
                              len, &e);
    if (rc < 0 && rc != -EAGAIN)
        log_warn("%s", e.text);
    free(bytes);
    return rc;
}

static uint64_t uplink_credit(void *arg)
{
    struct uplink *u = arg;
    return session_credit(u->session);
}

bool uplink_is_linked(const struct uplink *u)
{
    return u->link != NULL;
}

const struct upward *uplink_upward(struct uplink *u)
{
    return &u->upward;
}

void uplink_set_phase(struct uplink *u, enum phase phase)
{
    session_set_phase(u->session, phase);
}

void uplink_set_attempt(struct uplink *u, uint32_t attempt)
{
    u->attempt = attempt;
}

/* ---- life ---- */

static int uplink_make_session(struct uplink *u, struct err *e)
{
    static const struct session_ops ops = {.output = uplink_on_output,
                                           .message = uplink_on_message,
                                           .acked = uplink_on_acked,
                                           .credit = uplink_on_credit};
    struct session_config c = {.role = ROLE_AGENT,
                               .self = u->boot->node_index + 1,
                               .peer = 0,
                               .epoch = u->boot->epoch,
                               .heartbeat_ms = UPLINK_HEARTBEAT_MS,
                               .silence_ms = UPLINK_SILENCE_MS,
                               .initial_credit = SESSION_INITIAL_CREDIT,
                               .queue_bytes = LIMIT_SEND_QUEUE};
    secure_random(&c.incarnation, sizeof c.incarnation);
    return session_create(&c, &ops, u, &u->session, e);
}

int uplink_create(struct loop *l, const Aolani__Boot *boot, int in_fd, int out_fd,
                  const struct uplink_ops *ops, void *arg, struct uplink **ret,
                  struct err *e)
{
    assert(boot->key.len == SECURE_KEY_BYTES && boot->run_id.len == SECURE_RUN_BYTES);
    struct uplink *u = calloc(1, sizeof *u);
    if (!u) {
        (void)close(in_fd);
        (void)close(out_fd);
        return err_sys(e, -ENOMEM, "connect to the head");
    }
    u->loop = l;
    u->boot = boot;
    u->ops = ops;
    u->arg = arg;
    u->in_fd = in_fd;
    u->out_fd = out_fd;
    u->pause_ms = UPLINK_PAUSE_MS;
    u->upward = (struct upward){.send = uplink_send, .credit = uplink_credit, .arg = u};
    u->key.role = ROLE_AGENT;
    u->key.node = boot->node_index;
    u->key.epoch = boot->epoch;
    memcpy(u->key.run_id, boot->run_id.data, SECURE_RUN_BYTES);
    memcpy(u->key.key.b, boot->key.data, SECURE_KEY_BYTES);
    for (size_t i = 0; i <= HEADS_MAX; i++)
        u->tries[i].uplink = u;
    /* Under srun the variables of ssh are those of its user's login, elsewhere. */
    heads_collect(
        boot, getenv(boot->n_group > 0 ? "SLURM_LAUNCH_NODE_IPADDR" : "SSH_CONNECTION"),
        &u->heads);
    u->again = loop_timer_create(l, uplink_on_again, u);
    u->lease = loop_timer_create(l, uplink_on_lease, u);
    int rc = u->again && u->lease ? 0 : err_sys(e, -ENOMEM, "connect to the head");
    if (rc == 0)
        rc = uplink_make_session(u, e);
    if (rc < 0) {
        uplink_destroy(u);
        return rc;
    }
    loop_timer_start(u->lease, boot->lease_ms, 0);
    uplink_round(u);
    *ret = u;
    return 0;
}

void uplink_destroy(struct uplink *u)
{
    if (!u)
        return;
    uplink_end_others(u, NULL);
    loop_timer_destroy(u->again);
    loop_timer_destroy(u->lease);
    session_destroy(u->session);
    if (u->in_fd >= 0)
        (void)close(u->in_fd);
    if (u->out_fd >= 0)
        (void)close(u->out_fd);
    secure_wipe(&u->key, sizeof u->key);
    free(u);
}
