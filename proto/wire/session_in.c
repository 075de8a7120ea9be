/* SPDX-License-Identifier: MIT */
/* session_in.c - what a session takes in: who may speak (epoch), the attach, legality,
 * order, acknowledgements and credit. See PROTOCOL.md, section 5. */
#include "proto/wire/session_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/cur.h"

/* Bulk is acknowledged after this much (or with the heartbeat); the rest at once. */
#define ACK_EVERY_BYTES (64u << 10)

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
        session_emit(s, now_ms, &p->v, p->frame, p->len);
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
        session_emit_small(s, now_ms, 0, 0, NULL, 0);
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
