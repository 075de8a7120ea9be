/* SPDX-License-Identifier: MIT */
/* verbs_impl - what verbs.c (opening, connecting) and verbs_run.c (measuring) share. */
#ifndef AGENT_AUDIT_VERBS_IMPL_H
#define AGENT_AUDIT_VERBS_IMPL_H

#include "agent/audit/verbs.h"
#include "agent/audit/verbs_lib.h"

#define VERBS_BLOCK (1u << 20) /* of one write */
#define VERBS_BLOCKS \
    4u                    /* that a side has room for; the default limit of locked
                                    memory is 8 MiB */
#define VERBS_DEPTH   16u /* writes under way; completions that may wait: more */
#define VERBS_MESSAGE 64u
#define VERBS_TAKEN   32u /* messages for which room is kept ready */
#define VERBS_SENDS   (VERBS_BLOCKS * VERBS_BLOCK)
#define VERBS_TAKES   (VERBS_SENDS + 4096u)
#define VERBS_BYTES   (VERBS_TAKES + VERBS_TAKEN * VERBS_MESSAGE)

struct verbs_end {
    uint32_t qpn, psn, rkey, mtu;
    uint16_t lid;
    uint8_t layer;
    uint64_t address;
    union ibv_gid gid;
    char name[VERBS_NAME];
};

struct verbs {
    struct verbs_lib lib;
    struct ibv_context *device;
    struct ibv_pd *pd;
    struct ibv_mr *mr;
    struct ibv_cq *cq;
    struct ibv_qp *qp;
    unsigned char
        *memory; /* VERBS_BYTES: blocks that the other end writes, what is sent,
                              messages that come */
    uint8_t port;
    uint8_t gid_index;
    struct verbs_end own, peer;
};

/* Room for one more message, in that place. 0 or -errno. */
int verbs_take(struct verbs *v, unsigned place);

#endif
