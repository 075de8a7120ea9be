/* SPDX-License-Identifier: MIT */
/* depth - how much NCCL is asked for: what the agent wishes, and whether this step is one
 * whose collectives are timed.
 *
 * NCCL reads its mask as a group of calls begins, so that a change is of use from the next
 * group on: the collectives of a deep step are those after one call of the anchor, up to
 * and with the next.
 */
#ifndef PROTO_CLIENT_NCCL_DEPTH_H
#define PROTO_CLIENT_NCCL_DEPTH_H

#include "proto/wire/collrec.h"

struct depth {
    const struct collwish *wish; /* borrowed: in the file */
    _Atomic uint32_t is_copying;
    /* copies of the wish */
    _Atomic uint32_t gen, depth, deep_every, deep_n, anchor_key;
    _Atomic uint64_t anchor_comm;
    _Atomic bool in_deep_step;
    uint32_t
        always; /* whatever the agent wishes; DEPTH_AS_WISHED: nothing of that kind */
    enum coll_no_times no_times; /* whatever else is wished, the GPU is not asked */
};
#define DEPTH_AS_WISHED UINT32_MAX

/* word: "none", "calls", "enqueued", "deep": so deep in all steps, for measurements; NULL or
 * another: as the agent wishes. is_slowed: this NCCL is, by times; "deep" asks all the same. */
void depth_init(struct depth *d, const struct collwish *wish, const char *word,
                bool is_slowed);
/* Has the agent another wish? One load if not. */
void depth_look(struct depth *d);
/* A collective was called; it may be the anchor. True: the mask has become another one. */
bool depth_call(struct depth *d, uint64_t comm, uint32_t key, uint32_t seq);
/* This communicator is gone. */
void depth_forget(struct depth *d, uint64_t comm);
bool depth_is_deep(const struct depth *d);
/* The mask with which NCCL tells us of groups and of nothing in them. */
int depth_groups(unsigned version);
/* For NCCL, by the version of its table. Never 0: somebody must call us that we can look.
 * captured: for calls into a CUDA graph, which keeps for good what is asked of them. */
int depth_mask(const struct depth *d, unsigned version, bool captured);

#endif
