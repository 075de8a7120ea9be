/* SPDX-License-Identifier: MIT */
/* session.c - the life of a session and what it sends; session_in.c takes what comes, and
 * PROTOCOL.md has the normative words.
 *
 * What was sent and not acknowledged is a list of whole frames; only their header is
 * written anew when they go out again. Each link begins with an ATTACH frame from
 * either side (type 0 with a payload): the last sequence received, which process
 * speaks, and the credit granted in total. Nothing sequenced goes out before the peer's
 * ATTACH has said what it has, so nothing is sent twice that arrived. Credit is a
 * running total, so a grant that is lost with its link is repeated by the next ATTACH.
 */
#include "proto/wire/session_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/cur.h"

#define ATTACH_BYTES 16
#define CREDIT_BYTES 8
#define FRAME_SMALL  (ENVELOPE_BYTES + 64)

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

void session_emit(struct session *s, uint64_t now_ms, struct envelope *v,
                  uint8_t *frame, size_t len)
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

void session_emit_small(struct session *s, uint64_t now_ms, uint16_t type,
                        uint32_t attempt, const void *payload, size_t len)
{
    uint8_t frame[FRAME_SMALL];
    struct envelope v = {.type = type, .attempt = attempt};
    if (len > 0)
        memcpy(frame + ENVELOPE_BYTES, payload, len);
    session_emit(s, now_ms, &v, frame, ENVELOPE_BYTES + len);
}

static void emit_attach(struct session *s, uint64_t now_ms)
{
    uint8_t payload[ATTACH_BYTES];
    (void)put_u64(put_u64(payload, s->c.incarnation), s->granted);
    s->announced = s->granted;
    session_emit_small(s, now_ms, 0, 0, payload, sizeof payload);
}

static void emit_credit(struct session *s, uint64_t now_ms)
{
    uint8_t payload[CREDIT_BYTES];
    (void)put_u64(payload, s->granted);
    s->announced = s->granted;
    session_emit_small(s, now_ms, MSG_CREDIT, 0, payload, sizeof payload);
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
            session_emit_small(s, now_ms, (uint16_t)type, attempt, payload, len);
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
        session_emit(s, now_ms, &p->v, p->frame, p->len);
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
        session_emit_small(s, now_ms, 0, 0, NULL, 0);
    uint64_t beat = sub_sat(s->c.heartbeat_ms, sub_sat(now_ms, s->last_out_ms));
    uint64_t end = s->c.silence_ms - quiet_in;
    uint64_t due = beat < end ? beat : end;
    return due > 0 ? (int64_t)due : 1;
}
