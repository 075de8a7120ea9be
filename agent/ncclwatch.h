/* SPDX-License-Identifier: MIT */
/* ncclwatch - ranks that use NCCL and have no profiler of ours in it, looked for now and
 * then: after 2 s, and less often from time to time, as long as a rank has none. Each look
 * is at one rank, so that the loop is not kept. */
#ifndef AGENT_NCCLWATCH_H
#define AGENT_NCCLWATCH_H

#include <stddef.h>
#include <stdint.h>

#include "agent/collrelay.h"
#include "agent/task.h"

struct ncclwatch;

/* -ENOMEM. n_tasks as for each tick; relay must outlive it. */
int ncclwatch_create(struct collrelay *relay, size_t n_tasks, struct ncclwatch **ret);
void ncclwatch_destroy(struct ncclwatch *w); /* takes NULL */
/* Ten times a second. */
void ncclwatch_tick(struct ncclwatch *w, const struct task *tasks, uint64_t now_ns);

#endif
