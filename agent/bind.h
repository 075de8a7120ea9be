/* SPDX-License-Identifier: MIT */
/* bind - the binding of a rank: from the plan's words to what the kernel takes.
 *
 * CPUs are bound or the rank does not start. Memory is preferred (it may spill over when
 * its NUMA nodes are full) or bound; where the kernel refuses, a rank that only prefers
 * runs without, unless the job is strict.
 */
#ifndef AGENT_BIND_H
#define AGENT_BIND_H

#include "agent/host.h"
#include "agent/spawn.h"
#include "proto/base/err.h"
#include "proto/wire/aolani.pb-c.h"

/* Bounds of all that a plan says of binding. ERR_PROTO. */
int bind_check(const Aolani__Prepare *p, struct err *e);
/* Can a rank be bound so here? ERR_BIND: what is not allowed, or what the kernel refuses
 * and must not. */
int bind_fit(const Aolani__Prepare *p, const Aolani__RankPlan *rank,
             const struct host *h, struct err *e);

struct bind {
    cpu_set_t *cpus; /* NULL: not bound */
    size_t cpus_bytes;
    struct spawn_memory memory;
};
/* *ret is to be ended in either case. */
int bind_read(const Aolani__Prepare *p, const Aolani__RankPlan *rank, struct bind *ret,
              struct err *e);
void bind_fini(struct bind *b);

#endif
