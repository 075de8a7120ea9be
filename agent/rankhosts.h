/* SPDX-License-Identifier: MIT */
/* rankhosts - what the host gives to the ranks of a node, read ten times a second: rankproc
 * reads, rankhost keeps. All of it may take RANKHOSTS_SHARE of one core; what takes more is
 * done less often. */
#ifndef AGENT_RANKHOSTS_H
#define AGENT_RANKHOSTS_H

#include "agent/rankhost.h"
#include "agent/task.h"

#define RANKHOSTS_SHARE    0.002
#define RANKHOSTS_SAVED_NS 5000000000u /* of it may be used at once */
#define RANKHOSTS_KEEP     16u /* descriptors are kept for so many ranks at most */
/* A record is wanted sooner after the last reading than this: that one is good enough. */
#define RANKHOSTS_SOON_NS 50000000u

struct rankhosts;

int rankhosts_create(const struct task *tasks, size_t n,
                     struct rankhosts **ret); /* -ENOMEM; tasks outlive it */
void rankhosts_destroy(struct rankhosts *h);
void rankhosts_tick(struct rankhosts *h, uint64_t now_ns);
/* As rankhost_over, with one more reading if need be. */
bool rankhosts_over(struct rankhosts *h, uint32_t rank, uint64_t from_ns,
                    uint64_t to_ns, uint64_t now_ns, struct rankhost_figures *ret);

#endif
