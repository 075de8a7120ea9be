/* SPDX-License-Identifier: MIT */
/* envelope_fuzz - frames from an authenticated peer that says anything: envelope, session
 * rules, and the decoding of every payload.
 *
 * Two bytes choose role, phase and manner; then come frames. Most begin with a header that passes
 * the first checks (addresses, epoch), moved by small amounts, so that the later ones are
 * reached; some are raw. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/cur.h"
#include "proto/wire/aolani.pb-c.h"
#include "proto/wire/session.h"

#define FRAME_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
    enum message_type type;
    const ProtobufCMessageDescriptor *payload;
} payloads[] = {
    {MSG_NODE_INFO, &aolani__node_info__descriptor},
    {MSG_PREPARED, &aolani__prepared__descriptor},
    {MSG_STARTED, &aolani__started__descriptor},
    {MSG_RANK_EXIT, &aolani__rank_exit__descriptor},
    {MSG_OUTPUT, &aolani__output__descriptor},
    {MSG_OUTPUT_GAP, &aolani__output_gap__descriptor},
    {MSG_OUTPUT_END, &aolani__output_end__descriptor},
    {MSG_STEPS, &aolani__steps__descriptor},
    {MSG_LOG, &aolani__log__descriptor},
    {MSG_NODE_DONE, &aolani__node_done__descriptor},
    {MSG_LINK, &aolani__link__descriptor},
    {MSG_STDIN_TAKEN, &aolani__stdin_taken__descriptor},
    {MSG_REACHED, &aolani__reached__descriptor},
    {MSG_BINDING, &aolani__binding__descriptor},
    {MSG_NODE_SIGNALS, &aolani__node_signals__descriptor},
    {MSG_AUDIT_SAID, &aolani__audit_said__descriptor},
    {MSG_TOLD_TO_END, &aolani__told_to_end__descriptor},
    {MSG_COLL_ANCHORS, &aolani__coll_anchors__descriptor},
    {MSG_COLL_TIMES, &aolani__coll_times__descriptor},
    {MSG_COLL_ANCHOR, &aolani__coll_anchor__descriptor},
    {MSG_STALL_ASK, &aolani__stall_ask__descriptor},
    {MSG_STALL_SEEN, &aolani__stall_seen__descriptor},
    {MSG_NCCL_SAID, &aolani__nccl_said__descriptor},
    {MSG_PREPARE, &aolani__prepare__descriptor},
    {MSG_START, &aolani__start__descriptor},
    {MSG_SIGNAL, &aolani__signal__descriptor},
    {MSG_STDIN, &aolani__stdin__descriptor},
    {MSG_REACH, &aolani__reach__descriptor},
    {MSG_AUDIT_ASK, &aolani__audit_ask__descriptor},
    {MSG_STOP, &aolani__stop__descriptor},
    {MSG_END, &aolani__end__descriptor},
    {MSG_PING, &aolani__ping__descriptor},
    {MSG_PONG, &aolani__pong__descriptor},
    {MSG_FENCE, &aolani__fence__descriptor},
    {MSG_FENCE_DONE, &aolani__fence_done__descriptor},
    {MSG_MODEX_GET, &aolani__modex_get__descriptor},
    {MSG_MODEX_DATA, &aolani__modex_data__descriptor},
    {MSG_ABORT, &aolani__abort__descriptor},
};

#define ONE_MORE(...) +1
_Static_assert(sizeof payloads / sizeof payloads[0] + 1 == 0 MESSAGES(ONE_MORE),
               "a row for each message but CREDIT");

struct fuzz {
    struct session *s;
    enum session_role role;
    unsigned phase;
    uint64_t now_ms, seq, epoch, sent;
    unsigned manner;
    unsigned credits;
};

enum manner { REPLY = 1, UNATTACHED = 2, INHERITS = 4, TALK = 8 };

static void on_output(void *arg, const void *frame, size_t len)
{
    struct fuzz *f = arg;
    struct envelope v;
    int rc = envelope_decode(frame, len, &v, NULL);
    assert(rc == 0); /* what we say is always well formed */
    assert(v.seq <= f->sent + 1);
    (void)v;
}

static void say(struct fuzz *f, unsigned type, size_t len)
{
    static const uint8_t zero[2048];
    size_t before = session_queued(f->s);
    uint64_t credit = session_credit(f->s);
    int64_t rc =
        session_send(f->s, f->now_ms, (enum message_type)type, 0, zero, len, NULL);
    if (rc <= 0) {
        assert(session_queued(f->s) == before && session_credit(f->s) == credit);
        return;
    }
    assert((uint64_t)rc == f->sent + 1 && session_queued(f->s) == before + len + 40);
    assert(session_credit(f->s) == (message_rule(type)->bulk ? credit - len : credit));
    f->sent = (uint64_t)rc;
}

static int decode(const struct envelope *v, struct err *e)
{
    for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
        if (payloads[i].type != (enum message_type)v->type)
            continue;
        ProtobufCMessage *m = protobuf_c_message_unpack(payloads[i].payload, NULL,
                                                        v->payload_len, v->payload);
        if (!m)
            return err_set(e, ERR_PROTO, "decode");
        protobuf_c_message_free_unpacked(m, NULL);
        return 0;
    }
    abort(); /* a message without a payload known here */
}

static int on_message(void *arg, const struct envelope *v, struct err *e)
{
    struct fuzz *f = arg;
    const struct message_rule *r = message_rule(v->type);
    assert(r && r->phases & f->phase && v->payload_len <= r->max_payload);
    assert(r->sender & (f->role == ROLE_HEAD ? SENDER_AGENT : SENDER_HEAD));
    assert(v->type != MSG_CREDIT);
    if (f->manner & REPLY)
        say(f, f->role == ROLE_HEAD ? MSG_STOP : MSG_LOG, 1);
    if (r->bulk)
        session_grant(f->s, f->now_ms, v->payload_len);
    return decode(v, e);
}

static void on_acked(void *arg, uint64_t seq)
{
    struct fuzz *f = arg;
    assert(seq <= f->sent);
    (void)f;
}

static void on_credit(void *arg)
{
    struct fuzz *f = arg;
    f->credits++;
    assert(session_credit(f->s) > 0 || f->role == ROLE_AGENT);
}

static const struct session_ops ops = {on_output, on_message, on_acked, on_credit};

/* One frame, made of a few bytes of input and a payload. */
static size_t make_frame(struct fuzz *f, struct cur *c, uint8_t *frame)
{
    uint8_t how = cur_u8(c);
    size_t len = cur_u8(c) * ((how & 1) ? 8u : 1u);
    len = len < cur_left(c) ? len : cur_left(c);
    if ((how & 0xc0) == 0xc0) { /* raw */
        cur_bytes(c, frame, len);
        return len;
    }
    struct envelope v = {.source = f->role == ROLE_HEAD, .epoch = f->epoch};
    v.destination = !v.source;
    v.type = cur_u8(c) % 48;
    v.seq = (how & 2) ? 0 : ++f->seq;
    v.seq += (how & 4) ? cur_u8(c) : 0;
    v.ack = (how & 8) ? cur_u8(c) : 0;
    v.epoch += (how & 16) ? cur_u8(c) % 3 : 0;
    v.flags = (how & 0xe0) == 0x20 ? cur_u8(c) : 0;
    envelope_encode(&v, frame);
    len = len < cur_left(c) ? len : cur_left(c);
    cur_bytes(c, frame + ENVELOPE_BYTES, len);
    return ENVELOPE_BYTES + len;
}

static void attach(struct fuzz *f)
{
    uint8_t frame[ENVELOPE_BYTES + 16] = {0};
    struct envelope v = {.source = f->role == ROLE_HEAD, .epoch = f->epoch};
    v.destination = !v.source;
    if (f->manner & INHERITS)
        v.epoch += f->role == ROLE_HEAD ? (uint64_t)-1 : 1;
    envelope_encode(&v, frame);
    (void)put_u64(frame + ENVELOPE_BYTES + 8, 1u << 20);
    session_attach(f->s, f->now_ms);
    (void)session_input(f->s, f->now_ms, frame, sizeof frame, NULL);
    f->epoch = session_peer_epoch(f->s);
}

static void one_frame(struct fuzz *f, struct cur *c)
{
    uint8_t frame[FRAME_MAX];
    struct err e = {0};
    f->now_ms += 10;
    if (f->manner & TALK) {
        unsigned type = cur_u8(c) % 48;
        say(f, type, cur_u8(c) * 8u);
    }
    size_t len = make_frame(f, c, frame);
    int rc = session_input(f->s, f->now_ms, frame, len, &e);
    assert(rc == 0 || (rc < 0 && e.text[0] != '\0'));
    if (rc < 0) { /* as a connection does: the next link */
        session_detach(f->s);
        attach(f);
    }
    (void)session_tick(f->s, f->now_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cur c = cur_of(data, size);
    uint8_t first = cur_u8(&c);
    struct fuzz f = {.role = (first & 1) ? ROLE_AGENT : ROLE_HEAD,
                     .phase = 1u << ((first >> 1) % 5),
                     .manner = cur_u8(&c),
                     .epoch = 5};
    struct session_config config = {.role = f.role,
                                    .self = f.role == ROLE_AGENT,
                                    .peer = f.role == ROLE_HEAD,
                                    .epoch = f.epoch,
                                    .heartbeat_ms = 1000,
                                    .silence_ms = 5000,
                                    .initial_credit = 1000,
                                    .queue_bytes = 1000};
    if (session_create(&config, &ops, &f, &f.s, NULL) < 0)
        return 0;
    session_set_phase(f.s, (enum phase)f.phase);
    if (f.manner & UNATTACHED)
        session_attach(f.s, 0);
    else
        attach(&f);
    while (cur_left(&c) > 2)
        one_frame(&f, &c);
    session_destroy(f.s);
    return 0;
}
