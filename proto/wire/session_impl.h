/* SPDX-License-Identifier: MIT */
/* session_impl - what session.c (out) and session_in.c share; no one else's. */
#ifndef PROTO_WIRE_SESSION_IMPL_H
#define PROTO_WIRE_SESSION_IMPL_H

#include "proto/wire/session.h"

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

static inline uint64_t add_sat(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static inline uint64_t sub_sat(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static inline bool is_sequenced(uint32_t type)
{
    return type != MSG_CREDIT && type != MSG_PING && type != MSG_PONG;
}

/* Write the header over the first bytes of a frame and let it go. */
void session_emit(struct session *s, uint64_t now_ms, struct envelope *v,
                  uint8_t *frame, size_t len);
/* A frame without a sequence number: it is gone when the link is. */
void session_emit_small(struct session *s, uint64_t now_ms, uint16_t type,
                        uint32_t attempt, const void *payload, size_t len);

#endif
