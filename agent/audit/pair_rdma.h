/* SPDX-License-Identifier: MIT */
/* pair_rdma - the way between two nodes by RDMA: its two queue pairs get to know each other
 * by the TCP connection of the pair, which also says when what begins and what came of it.
 */
#ifndef AGENT_AUDIT_PAIR_RDMA_H
#define AGENT_AUDIT_PAIR_RDMA_H

#include "agent/audit/pair_impl.h"
#include "agent/audit/verbs.h"

/* The end that comes. 0: *p has all of it. 1: not by RDMA, and why is in *why; the TCP
 * connection goes on. -errno: that is broken. */
int pair_rdma_reach(const struct pair_link *l, const char *nic, uint64_t budget_ms,
                    Aolani__AuditPair *p, struct err *why);

/* The end that waits: what it has for it. */
struct pair_rdma {
    const char *nic; /* "": there is to be none */
    struct verbs *v;
};
/* Whether a record is for it, and what it does then; -errno: the TCP connection is broken.
 */
bool pair_rdma_is(const struct pair_record *r);
int pair_rdma_obey(struct pair_rdma *s, const struct pair_link *l,
                   const struct pair_record *r);

#endif
