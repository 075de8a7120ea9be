/* SPDX-License-Identifier: MIT */
/* session - what one peer has to say to another, exactly once and in order, over any
 * number of connections one after another. No sockets, no clock inside.
 *
 * A session outlives its connections. While a link is attached envelopes go out at once;
 * what is not yet acknowledged is kept and sent again after the next attach. The receiver
 * delivers each sequence number once. Legality (message.h) is checked before a payload is
 * handed on. Bulk messages need credit, which the receiver grants as it has stored what
 * came. Heartbeats go out when nothing else did; silence past the limit takes the link
 * down. Times are milliseconds of any monotonic clock, given from outside.
 */
#ifndef PROTO_WIRE_SESSION_H
#define PROTO_WIRE_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"
#include "proto/wire/envelope.h"
#include "proto/wire/message.h"

/* What both sides of every session put into initial_credit. A bulk message must fit into
 * half of it, or it may wait for a heartbeat. The head keeps so much of every node when
 * nobody takes its output. */
#define SESSION_INITIAL_CREDIT (1u << 20)

struct session;
/* The session may be destroyed from within session_input's calls of these; nothing is
 * called afterwards. */
struct session_ops {
    /* Send one frame over the attached link. A failure there is told by session_detach. */
    void (*output)(void *arg, const void *frame, size_t len);
    /* A legal message, once, in order. Its payload is valid during the call. A negative
     * return (a payload that does not decode) ends the link with that code. CREDIT stays
     * inside the session; PING and PONG come as they come, with sequence 0. */
    int (*message)(void *arg, const struct envelope *v, struct err *e);
    void (*acked)(void *arg,
                  uint64_t seq); /* may be NULL: the peer has all up to seq */
    void (*credit)(void *arg);   /* may be NULL: bulk may be sent again */
};
struct session_config {
    enum session_role role;
    uint32_t self, peer;   /* addresses, see envelope.h */
    uint64_t epoch;        /* head: its own; agent: the highest obeyed so far */
    uint64_t heartbeat_ms; /* quiet time after which an acknowledgement is sent */
    uint64_t silence_ms;   /* quiet time of the peer after which the link is given up */
    uint64_t initial_credit; /* bulk bytes that may be sent before the first grant */
    uint64_t incarnation;    /* random, one per process: a peer that was started anew is
                              found out instead of its messages taken for repetitions */
    size_t queue_bytes;      /* most unacknowledged bytes; LIMIT_SEND_QUEUE */
};

int session_create(const struct session_config *c, const struct session_ops *ops,
                   void *arg, struct session **ret, struct err *e);
void session_destroy(struct session *s);

/* A link is up: once the peer has said what it has, the rest goes out (again). */
void session_attach(struct session *s, uint64_t now_ms);
void session_detach(struct session *s);
bool session_is_attached(const struct session *s);
/* What carries the link now: conn's own mark, NULL at first; the session only keeps it. */
void session_set_carrier(struct session *s, void *carrier);
void *session_carrier(const struct session *s);

/* The phase that incoming messages are judged by. */
void session_set_phase(struct session *s, enum phase phase);
enum phase session_phase(const struct session *s);

/* One frame from the link. Negative: the peer broke the rules (ERR_PROTO; the text names
 * the message and the phase) or was told to go; the caller closes the link. */
int session_input(struct session *s, uint64_t now_ms, const void *frame, size_t len,
                  struct err *e);
/* Queue a message. Positive: its sequence number (always < 2^62; unsequenced types
 * return 0, and are dropped while no link is open). -EAGAIN: bulk without credit; ERR_LIMIT: the queue is full; ERR_PROTO: not a
 * message that this role sends. Copies payload. */
int64_t session_send(struct session *s, uint64_t now_ms, enum message_type type,
                     uint32_t attempt, const void *payload, size_t len, struct err *e);
/* Bulk payload bytes that may be sent now. */
uint64_t session_credit(const struct session *s);
/* Let the peer send this many more bulk bytes: as many as were stored for good. */
void session_grant(struct session *s, uint64_t now_ms, uint64_t bytes);
size_t session_queued(const struct session *s); /* bytes not yet acknowledged */
uint64_t session_peer_epoch(
    const struct session *s); /* agent: highest head epoch seen */

/* Heartbeat and silence. Returns ms until the next call is due, or -ETIMEDOUT when the
 * peer has been silent too long: the caller closes the link. */
int64_t session_tick(struct session *s, uint64_t now_ms);

#endif
