/* SPDX-License-Identifier: MIT */
/* boot - bring agents to nodes and hand them their keys: over an ssh for each node, as a
 * child of ours, or on many nodes by one srun.
 *
 * The secrets go over the starter's standard input and nowhere else. What an agent is to
 * read is asked of the caller when agents wait for it. A starter that serves one node is
 * given that node's own key; one whose standard input is the same for all of its nodes
 * (boot_kind.shared) the job's, from which each agent makes its own. The starter (ssh,
 * srun, or the agent itself) stays ours to watch until it ends.
 */
#ifndef LAUNCHER_BOOT_H
#define LAUNCHER_BOOT_H

#include <stdbool.h>

#include "launcher/bundle.h"
#include "launcher/spec.h"
#include "proto/base/loop_stream.h"

/* What has ended, so far as the starter's end tells. */
enum boot_end {
    BOOT_END_UNKNOWN, /* the starter; the agent may live on */
    BOOT_END_AGENT,   /* the agent itself */
};

/* One node's agent on its way; of whichever kind, this is its first member. */
struct boot {
    const struct boot_kind *kind;
};
struct boot_node {
    const char *name;  /* as typed; copied */
    void *arg;         /* for the callbacks */
    struct boot *boot; /* made by boot_start */
};
struct boot_ops {
    /* What the agents of these nodes are to read: a packed Boot, wiped after use. */
    int (*pack)(void *arg, void *const *nodes, size_t n, struct buf *out);
    /* The agent has its key. The caller takes the stream, which can carry the session
     * where TCP cannot; NULL: there is none. */
    void (*ready)(void *node, struct loop_stream *io, bool copied);
    /* The agent could not be started; nothing else will come but `ended`. */
    void (*failed)(void *node, const struct err *e);
    /* Called once, also after failed, never after boot_destroy. words: the last line on
     * standard error, or "". After tries: of the last one. */
    void (*ended)(void *node, enum boot_end what, int wait_status, const char *words);
};
struct boot_config {
    const struct spec *spec; /* kept by reference, like the bundle */
    const struct bundle *bundle;
    const struct boot_ops *ops;
    void *arg; /* of pack */
};

/* How agents come to nodes. Nothing is called back from within `start`. */
struct boot_kind {
    const char *name; /* of the starter, for words; NULL: as [ssh] command says */
    /* All nodes that wait are started at once, by one starter; else each by its own. */
    bool shared;
    int (*start)(struct loop *l, const struct boot_config *c, struct boot_node *nodes,
                 size_t n, struct err *e);
    void (*kill)(struct boot *b, int signum);
    void (*await_end)(struct boot *b, unsigned *patience_ms);
    void (*destroy)(struct boot *b);
};
extern const struct boot_kind boot_ssh, boot_local; /* bootone.c */
const struct boot_kind *boot_kind_of(enum spec_backend backend);

/* Of a kind: what these agents are to read, packed and written. */
int boot_hand_over(const struct boot_config *c, void *const *nodes, size_t n,
                   struct loop_stream *io, struct err *e);

/* The following take NULL. */
void boot_kill(struct boot *b, int signum); /* it is not wanted (any more) */
/* Of one that was told to end: wait for it, together with others at most so long, then
 * KILL it and all below it. */
void boot_await_end(struct boot *b, unsigned *patience_ms);
void boot_destroy(struct boot *b); /* the starter goes on if it still runs */

#endif
