/* SPDX-License-Identifier: MIT */
/* keeper - what stays behind when an agent is killed.
 *
 * The process that the head starts forks the agent and waits for it, doing nothing else, so
 * that hardly anything can end it. When the agent dies, the kernel hands every process
 * below it to the keeper, whatever that process has done to its session or environment: the
 * keeper ends them, says so in the job's folder, and ends as the agent has. If for the time
 * of the lease no other agent takes up the job, what is on the disk is removed too.
 *
 * It is forked off before the agent has a thread, a socket or a loop.
 */
#ifndef AGENT_KEEPER_H
#define AGENT_KEEPER_H

#include <stdint.h>
#include <sys/types.h>

#include "proto/base/err.h"

/* In the agent: 0, or why it cannot be. In the keeper: the agent's process id. */
pid_t keeper_fork(struct err *e);
/* In the keeper, for good. run_id: 16 hex digits. */
void keeper_run(pid_t agent, const char *run_id, uint32_t node, uint64_t lease_ms)
    __attribute__((noreturn));

#endif
