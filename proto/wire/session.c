/* SPDX-License-Identifier: MIT */
/* session.c - sequence numbers, acknowledgements, credit and the epoch rule; see
 * session.h, and PROTOCOL.md for the normative words.
 *
 * What was sent and not acknowledged is a list of whole frames; only their header is
 * written anew when they go out again. Each link begins with an ATTACH frame from
 * either side (type 0 with a payload): the last sequence received, which process
 * speaks, and the credit granted in total. Nothing sequenced goes out before the peer's
 * ATTACH has said what it has, so nothing is sent twice that arrived. Credit is a
 * running total, so a grant that is lost with its link is repeated by the next ATTACH.
 */
#include "proto/wire/session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/cur.h"

#define ATTACH_BYTES 16
#define CREDIT_BYTES 8
/* Bulk is acknowledged after this much (or with the heartbeat); the rest at once. */
#define ACK_EVERY_BYTES (64u << 10)
#define FRAME_SMALL     (ENVELOPE_BYTES + 64)

struct pending {
    struct pending *next;
    struct envelope v;
    bool bulk;
    size_t len;
    uint8_t frame[];
};

struct session {
    struct session_config c;
    const struct session_ops *ops;
    void *arg;
    void *carrier;
    enum phase phase;
    uint64_t epoch;
    bool in_input, destroyed;
    bool attached, open; /* open: the peer's ATTACH of this link has come */
    uint64_t last_in_ms, last_out_ms;

    struct pending *first, **last; /* not yet acknowledged, in order */
    size_t queued;
    uint64_t sent_seq, peer_ack;

    uint64_t recv_seq, ack_sent;
    size_t unacked_bytes;
    bool ack_now;
    bool inherits; /* head: the agent obeyed an earlier head and begins in the middle */
    bool peer_known;
    uint64_t peer_incarnation;

    uint64_t bulk_sent, may_send;           /* as sender; totals of payload bytes */
    uint64_t bulk_recv, granted, announced; /* as receiver */
};

static const char *phase_name(enum phase p)
{
    switch (p) {
    case PHASE_GREETING:
        return "GREETING";
    case PHASE_READY:
        return "READY";
    case PHASE_PREPARED:
        return "PREPARED";
    case PHASE_RUNNING:
        return "RUNNING";
    case PHASE_ENDING:
        return "ENDING";
    }
    return "?";
}

static bool is_sequenced(uint32_t type)
{
    return type != MSG_CREDIT && type != MSG_PING && type != MSG_PONG;
}

static uint64_t add_sat(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t sub_sat(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

int session_create(const struct session_config *c, const struct session_ops *ops,
                   void *arg, struct session **ret, struct err *e)
{
    struct session *s = calloc(1, sizeof *s);
    if (!s)
        return err_sys(e, -ENOMEM, "create a session");
    s->c = *c;
    s->ops = ops;
    s->arg = arg;
    s->phase = PHASE_GREETING;
    s->epoch = c->epoch;
    s->last = &s->first;
    s->may_send = s->granted = s->announced = c->initial_credit;
    *ret = s;
    return 0;
}

void session_destroy(struct session *s)
{
    if (!s)
        return;
    session_detach(s);
    if (s->in_input) { /* session_input does it on its way out */
        s->destroyed = true;
        return;
    }
    while (s->first) {
        struct pending *p = s->first;
        s->first = p->next;
        free(p);
    }
    free(s);
}

/* ---- out ---- */

/* Write the header over the first bytes of a frame and let it go. */
static void emit(struct session *s, uint64_t now_ms, struct envelope *v, uint8_t *frame,
                 size_t len)
{
    v->source = s->c.self;
    v->destination = s->c.peer;
    v->epoch = s->epoch;
    v->ack = s->recv_seq;
    envelope_encode(v, frame);
    s->last_out_ms = now_ms;
    s->ack_sent = s->recv_seq;
    s->unacked_bytes = 0;
    s->ack_now = false;
    s->ops->output(s->arg, frame, len);
}

/* A frame without a sequence number: it is gone when the link is. */
static void emit_small(struct session *s, uint64_t now_ms, uint16_t type,
                       uint32_t attempt, const void *payload, size_t len)
{
    uint8_t frame[FRAME_SMALL];
    struct envelope v = {.type = type, .attempt = attempt};
    if (len > 0)
        memcpy(frame + ENVELOPE_BYTES, payload, len);
    emit(s, now_ms, &v, frame, ENVELOPE_BYTES + len);
}

static void emit_attach(struct session *s, uint64_t now_ms)
{
    uint8_t payload[ATTACH_BYTES];
    (void)put_u64(put_u64(payload, s->c.incarnation), s->granted);
    s->announced = s->granted;
    emit_small(s, now_ms, 0, 0, payload, sizeof payload);
}

static void emit_credit(struct session *s, uint64_t now_ms)
{
    uint8_t payload[CREDIT_BYTES];
    (void)put_u64(payload, s->granted);
    s->announced = s->granted;
    emit_small(s, now_ms, MSG_CREDIT, 0, payload, sizeof payload);
}

void session_attach(struct session *s, uint64_t now_ms)
{
    s->attached = true;
    s->open = false;
    s->last_in_ms = now_ms;
    emit_attach(s, now_ms);
}

void session_detach(struct session *s)
{
    s->attached = s->open = false;
}

bool session_is_attached(const struct session *s)
{
    return s->attached;
}

void session_set_carrier(struct session *s, void *carrier)
{
    s->carrier = carrier;
}

void *session_carrier(const struct session *s)
{
    return s->carrier;
}

void session_set_phase(struct session *s, enum phase phase)
{
    s->phase = phase;
}

enum phase session_phase(const struct session *s)
{
    return s->phase;
}

uint64_t session_credit(const struct session *s)
{
    return sub_sat(s->may_send, s->bulk_sent);
}

size_t session_queued(const struct session *s)
{
    return s->queued;
}

uint64_t session_peer_epoch(const struct session *s)
{
    return s->epoch;
}

static int queue(struct session *s, const struct message_rule *r, uint32_t attempt,
                 const void *payload, size_t len, struct pending **ret, struct err *e)
{
    size_t frame_len = ENVELOPE_BYTES + len;
    if (frame_len > sub_sat(s->c.queue_bytes, s->queued))
        return err_set(
            e, ERR_LIMIT,
            "queue a message \"%s\" of %zu bytes: %zu bytes of %zu already wait",
            r->name, len, s->queued, s->c.queue_bytes);
    struct pending *p = malloc(sizeof *p + frame_len);
    if (!p)
        return err_sys(e, -ENOMEM, "queue a message \"%s\" of %zu bytes", r->name, len);
    *p = (struct pending){.len = frame_len, .bulk = r->bulk};
    p->v.type = (uint16_t)r->type;
    p->v.attempt = attempt;
    p->v.seq = ++s->sent_seq;
    p->v.payload_len = len;
    if (len > 0)
        memcpy(p->frame + ENVELOPE_BYTES, payload, len);
    *s->last = p;
    s->last = &p->next;
    s->queued += frame_len;
    *ret = p;
    return 0;
}

int64_t session_send(struct session *s, uint64_t now_ms, enum message_type type,
                     uint32_t attempt, const void *payload, size_t len, struct err *e)
{
    const struct message_rule *r = message_rule(type);
    enum sender me = s->c.role == ROLE_HEAD ? SENDER_HEAD : SENDER_AGENT;
    if (!r || !(r->sender & me) || type == MSG_CREDIT)
        return err_set(e, ERR_PROTO, "send a message %u: not one that this side sends",
                       (unsigned)type);
    if (len > r->max_payload)
        return err_set(e, ERR_LIMIT,
                       "send a message \"%s\": %zu bytes, %zu are allowed", r->name,
                       len, r->max_payload);
    if (!is_sequenced(type)) {
        if (s->open)
            emit_small(s, now_ms, (uint16_t)type, attempt, payload, len);
        return 0;
    }
    if (r->bulk && len > session_credit(s))
        return err_set(e, -EAGAIN, "send a message \"%s\": no credit for %zu bytes",
                       r->name, len);
    struct pending *p = NULL;
    int rc = queue(s, r, attempt, payload, len, &p, e);
    if (rc < 0)
        return rc;
    if (r->bulk)
        s->bulk_sent += len;
    int64_t seq = (int64_t)p->v.seq;
    if (s->open)
        emit(s, now_ms, &p->v, p->frame, p->len);
    return seq;
}

void session_grant(struct session *s, uint64_t now_ms, uint64_t bytes)
{
    s->granted = add_sat(s->granted, bytes);
    /* Say so while the peer still has half of its window: few grants, and no waiting.
     */
    uint64_t left = sub_sat(s->announced, s->bulk_recv);
    if (s->open && s->granted > s->announced && left <= s->c.initial_credit / 2)
        emit_credit(s, now_ms);
}

int64_t session_tick(struct session *s, uint64_t now_ms)
{
    if (!s->attached)
        return (int64_t)s->c.heartbeat_ms;
    uint64_t quiet_in = sub_sat(now_ms, s->last_in_ms);
    if (quiet_in >= s->c.silence_ms)
        return -ETIMEDOUT;
    if (s->open && s->granted > s->announced)
        emit_credit(s, now_ms);
    if (s->ack_sent != s->recv_seq ||
        sub_sat(now_ms, s->last_out_ms) >= s->c.heartbeat_ms)
        emit_small(s, now_ms, 0, 0, NULL, 0);
    uint64_t beat = sub_sat(s->c.heartbeat_ms, sub_sat(now_ms, s->last_out_ms));
    uint64_t end = s->c.silence_ms - quiet_in;
    uint64_t due = beat < end ? beat : end;
    return due > 0 ? (int64_t)due : 1;
}

/* ---- in ---- */

/* The head that was obeyed so far is over: the new one counts from the beginning, and
 * what the old one had not acknowledged goes to the new one under its old numbers. */
static void obey(struct session *s, uint64_t epoch)
{
    s->epoch = epoch;
    s->recv_seq = s->ack_sent = 0;
    s->unacked_bytes = 0;
    s->ack_now = false;
    s->peer_known = false;
    s->bulk_recv = 0;
    s->granted = s->announced = s->may_send = s->c.initial_credit;
    s->bulk_sent = 0;
    for (struct pending *p = s->first; p; p = p->next)
        if (p->bulk)
            s->bulk_sent += p->v.payload_len;
}

/* Who may speak at all. An agent that has not yet heard this head acknowledges nothing
 * of it: *ret_stale. */
static int check_epoch(struct session *s, const struct envelope *v, bool *ret_stale,
                       struct err *e)
{
    *ret_stale = false;
    if (v->source != s->c.peer || v->destination != s->c.self)
        return err_set(e, ERR_PROTO,
                       "take a frame from %" PRIu32 " to %" PRIu32 ": this is the link "
                       "from %" PRIu32 " to %" PRIu32,
                       v->source, v->destination, s->c.peer, s->c.self);
    if (v->epoch == s->epoch)
        return 0;
    if (s->c.role == ROLE_HEAD && v->epoch > s->epoch)
        return err_set(e, ERR_PROTO,
                       "rule with head epoch %" PRIu64
                       ": the agent obeys epoch %" PRIu64,
                       s->epoch, v->epoch);
    if (s->c.role == ROLE_HEAD && v->seq != 0)
        return err_set(e, ERR_PROTO,
                       "take a message of head epoch %" PRIu64
                       ": this head is %" PRIu64,
                       v->epoch, s->epoch);
    if (s->c.role == ROLE_HEAD) {
        *ret_stale = true;
        return 0;
    }
    if (v->epoch < s->epoch)
        return err_set(e, ERR_PROTO,
                       "obey head epoch %" PRIu64 ": epoch %" PRIu64
                       " was obeyed before",
                       v->epoch, s->epoch);
    if (s->open)
        return err_set(e, ERR_PROTO,
                       "obey head epoch %" PRIu64 ": this link began with %" PRIu64,
                       v->epoch, s->epoch);
    obey(s, v->epoch);
    return 0;
}

static int take_ack(struct session *s, uint64_t ack, struct err *e)
{
    if (ack > s->sent_seq)
        return err_set(e, ERR_PROTO,
                       "take an acknowledgement of %" PRIu64
                       ": the last sent is %" PRIu64,
                       ack, s->sent_seq);
    if (ack <= s->peer_ack)
        return 0;
    s->peer_ack = ack;
    while (s->first && s->first->v.seq <= ack) {
        struct pending *p = s->first;
        s->first = p->next;
        s->queued -= p->len;
        free(p);
    }
    if (!s->first)
        s->last = &s->first;
    if (s->ops->acked)
        s->ops->acked(s->arg, ack);
    return 0;
}

static int take_credit(struct session *s, uint64_t total)
{
    bool more = total > s->may_send;
    if (more)
        s->may_send = total;
    if (more && s->ops->credit)
        s->ops->credit(s->arg);
    return 0;
}

/* The peer's ATTACH: from here on the link carries messages. */
static int take_attach(struct session *s, uint64_t now_ms, const struct envelope *v,
                       bool stale, struct err *e)
{
    struct cur c = cur_of(v->payload, v->payload_len);
    uint64_t incarnation = cur_u64(&c), total = cur_u64(&c);
    if (v->type != 0 || c.bad)
        return err_set(e, ERR_PROTO,
                       "begin a link: message %u of %zu bytes instead of "
                       "an attach",
                       v->type, v->payload_len);
    if (s->peer_known && incarnation != s->peer_incarnation)
        return err_set(e, ERR_PROTO,
                       "continue a session: the peer was started anew and "
                       "knows nothing of it");
    s->peer_known = true;
    s->peer_incarnation = incarnation;
    if (stale && s->recv_seq == 0)
        s->inherits = true;
    if (!stale) {
        int rc = take_ack(s, v->ack, e);
        if (rc < 0)
            return rc;
    }
    s->open = s->attached;
    for (struct pending *p = s->first; p && s->open; p = p->next)
        emit(s, now_ms, &p->v, p->frame, p->len);
    return stale || !s->attached ? 0 : take_credit(s, total);
}

/* Everything that can be said of a message without looking at its payload. */
static int judge(const struct session *s, const struct message_rule *r,
                 const struct envelope *v, struct err *e)
{
    enum sender peer = s->c.role == ROLE_HEAD ? SENDER_AGENT : SENDER_HEAD;
    if (!r)
        return err_set(e, ERR_PROTO, "take a message %u: no such message", v->type);
    if (!(r->sender & peer))
        return err_set(e, ERR_PROTO, "take a message \"%s\": %s does not send it",
                       r->name, peer == SENDER_HEAD ? "the head" : "an agent");
    if (v->payload_len > r->max_payload)
        return err_set(e, ERR_PROTO,
                       "take a message \"%s\": %zu bytes, %zu are allowed", r->name,
                       v->payload_len, r->max_payload);
    if (is_sequenced(v->type) != (v->seq != 0))
        return err_set(e, ERR_PROTO, "take a message \"%s\": sequence %" PRIu64,
                       r->name, v->seq);
    /* What came before was judged in the phase of its time. */
    bool again = v->seq != 0 && v->seq <= s->recv_seq;
    if (!again && !(r->phases & s->phase))
        return err_set(e, ERR_PROTO, "take a message \"%s\": not legal in phase %s",
                       r->name, phase_name(s->phase));
    return 0;
}

static int take_unsequenced(struct session *s, const struct envelope *v, bool stale,
                            struct err *e)
{
    if (v->type != MSG_CREDIT)
        return s->ops->message(s->arg, v, e);
    struct cur c = cur_of(v->payload, v->payload_len);
    uint64_t total = cur_u64(&c);
    if (c.bad)
        return err_set(e, ERR_PROTO, "take a message \"CREDIT\": %zu bytes",
                       v->payload_len);
    return stale ? 0 : take_credit(s, total);
}

static int check_order(const struct session *s, const struct message_rule *r,
                       const struct envelope *v, struct err *e)
{
    bool begins = s->inherits && s->recv_seq == 0;
    if (v->seq != s->recv_seq + 1 && !begins)
        return err_set(e, ERR_PROTO,
                       "take a message \"%s\": sequence %" PRIu64 " after %" PRIu64,
                       r->name, v->seq, s->recv_seq);
    if (r->bulk && v->payload_len > sub_sat(s->granted, s->bulk_recv))
        return err_set(e, ERR_PROTO, "take a message \"%s\": %zu bytes without credit",
                       r->name, v->payload_len);
    return 0;
}

static int take_message(struct session *s, uint64_t now_ms,
                        const struct message_rule *r, const struct envelope *v,
                        struct err *e)
{
    uint64_t before = s->recv_seq;
    if (v->seq <= before) { /* it came before; the peer has not heard so */
        s->ack_now = true;
    } else {
        int rc = check_order(s, r, v, e);
        if (rc < 0)
            return rc;
        /* Counted first, so that an answer carries the acknowledgement. */
        s->recv_seq = v->seq;
        s->unacked_bytes += v->payload_len;
        if (!r->bulk || s->unacked_bytes >= ACK_EVERY_BYTES)
            s->ack_now = true;
        if (r->bulk)
            s->bulk_recv += v->payload_len;
        rc = s->ops->message(s->arg, v, e);
        if (rc < 0 && s->ack_sent != v->seq) { /* not taken: it comes again */
            s->recv_seq = before;
            s->bulk_recv -= r->bulk ? v->payload_len : 0;
        }
        if (rc < 0)
            return rc;
    }
    if (s->ack_now && s->open)
        emit_small(s, now_ms, 0, 0, NULL, 0);
    return 0;
}

static int input(struct session *s, uint64_t now_ms, const void *frame, size_t len,
                 struct err *e)
{
    struct envelope v;
    bool stale;
    if (!s->attached)
        return err_set(e, -ENOTCONN, "take a frame: no link is attached");
    int rc = envelope_decode(frame, len, &v, e);
    if (rc == 0)
        rc = check_epoch(s, &v, &stale, e);
    if (rc < 0)
        return rc;
    s->last_in_ms = now_ms;
    if (!s->open)
        return take_attach(s, now_ms, &v, stale, e);
    const struct message_rule *r = message_rule(v.type);
    if (v.type != 0)
        rc = judge(s, r, &v, e);
    else if (v.seq != 0 || v.payload_len != 0)
        rc = err_set(e, ERR_PROTO,
                     "take an acknowledgement: sequence %" PRIu64 ", %zu bytes", v.seq,
                     v.payload_len);
    if (rc == 0 && !stale)
        rc = take_ack(s, v.ack, e);
    if (rc < 0 || v.type == 0 || !s->attached)
        return rc;
    if (v.seq == 0)
        return take_unsequenced(s, &v, stale, e);
    return take_message(s, now_ms, r, &v, e);
}

int session_input(struct session *s, uint64_t now_ms, const void *frame, size_t len,
                  struct err *e)
{
    s->in_input = true;
    int rc = input(s, now_ms, frame, len, e);
    s->in_input = false;
    if (s->destroyed)
        session_destroy(s);
    return rc;
}
