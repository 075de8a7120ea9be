/* SPDX-License-Identifier: MIT */
/* conn - one connection: a byte stream, the encryption over it, and the session that it
 * carries once the peer is known.
 *
 * Head: conn_create for each accepted TCP stream or ssh channel; nothing is believed
 * until the peer has proved its node; then ops->session(node) says which session it is,
 * a link that this session had before is closed, and the new one is attached. Agent:
 * conn_create over the stream that it dialled. A connection that has not proved itself
 * in time is closed. The conn owns the stream and closes itself after ops->closed, which
 * comes exactly once unless conn_destroy was called before.
 */
#ifndef PROTO_WIRE_CONN_H
#define PROTO_WIRE_CONN_H

#include "proto/base/loop_stream.h"
#include "proto/wire/secure.h"
#include "proto/wire/session.h"

struct conn;
struct conn_ops {
    const struct secure_key *(*key)(void *arg, uint32_t node); /* head only */
    /* The peer has proved itself: the session to attach, NULL to refuse. */
    struct session *(*session)(void *arg, struct conn *c, uint32_t node,
                               uint64_t epoch);
    /* The connection is over: 0 end of file, else a code; the conn is freed after this
     * call. `e` says why in words. The session (if any) has been detached. */
    void (*closed)(void *arg, struct conn *c, const struct err *e);
    bool (*admit)(void *arg, uint32_t node,
                  const uint8_t *point); /* as in secure_ops */
};

/* Takes over the stream in every case; on failure it is destroyed. prove_ms: how long
 * the peer has to prove itself (0: no limit, for a starter's channel that stays quiet
 * while TCP works). */
int conn_create(struct loop *l, struct loop_stream *stream,
                const struct secure_config *c, const struct conn_ops *ops, void *arg,
                unsigned prove_ms, struct conn **ret, struct err *e);
void conn_destroy(struct conn *c); /* takes NULL; no callback afterwards */
/* To be called by the session's output op. A failure ends the connection a little later,
 * never from within. */
void conn_output(struct conn *c, const void *frame, size_t len);
/* Bytes accepted from the session but not yet by the kernel. */
size_t conn_queued(const struct conn *c);
/* The session that it carries now, or NULL: nothing is proved yet. Its heartbeat and its
 * silence are looked after here (session_tick). */
struct session *conn_session(const struct conn *c);

#endif
