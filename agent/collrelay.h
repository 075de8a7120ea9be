/* SPDX-License-Identifier: MIT */
/* collrelay - what NCCL tells of the collectives of a node's ranks: drained ten times a
 * second, turned into step records, candidates for the anchor (COLL_ANCHORS) and times of
 * deep steps (COLL_TIMES).
 *
 * A file's lanes are one stream, by time. When credit is short the times of the oldest
 * deep step are dropped: the head does without that step's. */
#ifndef AGENT_COLLRELAY_H
#define AGENT_COLLRELAY_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/upward.h"
#include "proto/base/err.h"
#include "proto/wire/aolani.pb-c.h"
#include "proto/wire/steprec.h"

struct collrelay;
struct collrelay_config {
    const char *dir; /* as of steprelay_create */
    struct upward up;
    uint32_t world_size;
    /* As steprelay_add. */
    int (*add)(void *arg, uint32_t rank, const struct steprec *rec);
    void *arg;
};

int collrelay_create(const struct collrelay_config *c, struct collrelay **ret,
                     struct err *e);
void collrelay_destroy(struct collrelay *r); /* removes the files */
/* Make a rank's file; *ret_path (owned by r) is for AOLANI_COLL_PATH. */
int collrelay_open_rank(struct collrelay *r, uint32_t rank, const char **ret_path,
                        struct err *e);
/* Take what the files hold. now_ns: CLOCK_MONOTONIC. last: the ranks are gone, so that
 * nothing is left to wait for. */
void collrelay_drain(struct collrelay *r, uint64_t now_ns, bool last);
/* Has NCCL loaded no profiler of ours in this rank, and is nothing known of why? */
bool collrelay_lacks_profiler(const struct collrelay *r, uint32_t rank);
/* It uses NCCL without one. version: of NCCL, 22005 is 2.20.5; 0: not known. */
void collrelay_without_profiler(struct collrelay *r, uint32_t rank, uint32_t version);
/* What the head has chosen. ERR_PROTO. */
int collrelay_choose(struct collrelay *r, const Aolani__CollAnchor *m, struct err *e);
/* In some rank NCCL has loaded the profiler. */
bool collrelay_is_told(const struct collrelay *r);

#endif
