/* SPDX-License-Identifier: MIT */
/* reap - the end of child processes: of ranks, and of those that ranks left behind.
 *
 * The agent is the subreaper of all that it starts, so nothing of a job can slip away to
 * init while the agent lives: orphans become its children and are waited for here. What
 * loop_proc has started is waited for here too, and told to it.
 */
#ifndef AGENT_REAP_H
#define AGENT_REAP_H

#include <sys/resource.h>
#include <sys/types.h>

#include "proto/base/loop.h"

struct reap;
/* A process that was added has ended. */
typedef void (*reap_exit_f)(void *arg, pid_t pid, int wait_status,
                            const struct rusage *usage);

int reap_create(struct loop *l, reap_exit_f on_exit, void *arg, struct reap **ret,
                struct err *e);
void reap_destroy(struct reap *r);
void reap_add(struct reap *r, pid_t pid); /* at most LIMIT_LOCAL_RANKS at a time */

#endif
