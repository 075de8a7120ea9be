/* SPDX-License-Identifier: MIT */
/* rundb_impl - what rundb.c and rundb_variance.c (the tables of late steps, slow spells and
 * signals) share. */
#ifndef LAUNCHER_RUNDB_IMPL_H
#define LAUNCHER_RUNDB_IMPL_H

#include <protobuf-c/protobuf-c.h>

enum put {
    PUT_RUN,
    PUT_ARG,
    PUT_NODE_NAME,
    PUT_NODE_COUNT,
    PUT_NODE_INFO,
    PUT_NODE_EVENT,
    PUT_PHASE,
    PUT_RANK,
    PUT_RANK_END,
    PUT_BINDING,
    PUT_CHECK,
    PUT_STEP,
    PUT_DROPPED,
    PUT_SOURCE,
    PUT_SUMMARY,
    PUT_END,
    PUT_NO_END,
    PUT_HEAD,
    PUT_ATTEMPT,
    PUT_JOURNAL,
    N_OWN_PUT, /* of rundb.c */
    PUT_CULPRIT = N_OWN_PUT,
    PUT_SPELL,
    PUT_SIGNAL,
    PUT_SIGNAL_GPU,
    PUT_SIGNAL_PORT,
    PUT_SIGNAL_LINK,
    PUT_GPU_FAULT,
    PUT_STALL,
    N_PUT,
};

struct rundb;
/* One row. Kinds: i int64_t, u int64_t that is NULL below 0, d double, s const char *, n
 * nothing (NULL), j bytes of text: pointer and size_t. */
void rundb_put(struct rundb *b, enum put which, const char *kinds, ...);

/* ---- rundb_variance.c ---- */
extern const char rundb_variance_schema[], rundb_variance_finish[];
extern const char *const rundb_variance_sql[N_PUT - N_OWN_PUT];
void rundb_put_culprit(struct rundb *b, const ProtobufCMessage *base);
void rundb_put_fault(struct rundb *b, const ProtobufCMessage *base);
void rundb_put_stall(struct rundb *b, const ProtobufCMessage *base);
void rundb_put_spell(struct rundb *b, const ProtobufCMessage *base);
void rundb_put_signals(struct rundb *b, const ProtobufCMessage *base);

#endif
