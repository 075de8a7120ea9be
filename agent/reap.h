/* SPDX-License-Identifier: MIT */
/* reap - the end of child processes: of ranks, and of those that ranks left behind; and
 * that a signal has stopped one.
 *
 * The agent is the subreaper of all that it starts, so nothing of a job can slip away to
 * init while the agent lives: orphans become its children and are waited for here. What
 * loop_proc has started is waited for here too, and told to it.
 */
#ifndef AGENT_REAP_H
#define AGENT_REAP_H

#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "proto/base/loop.h"

struct reap;
/* A process that was added has ended. */
typedef void (*reap_exit_f)(void *arg, pid_t pid, int wait_status,
                            const struct rusage *usage);
/* A process that was added was stopped by a signal: at from_ns, if to_ns is the same (it
 * still was when we looked); else at some time between them, and goes on already. */
typedef void (*reap_stop_f)(void *arg, pid_t pid, uint64_t from_ns, uint64_t to_ns);

int reap_create(struct loop *l, reap_exit_f on_exit, void *arg, struct reap **ret,
                struct err *e);
void reap_destroy(struct reap *r);
void reap_add(struct reap *r, pid_t pid); /* at most LIMIT_LOCAL_RANKS at a time */
/* Of children alone. Where a shell started the program and only the program is stopped,
 * the kernel tells the shell, and nobody else. */
void reap_watch_stops(struct reap *r, reap_stop_f on_stop);
/* Tell of stops now, and not only when the loop hears of them. One system call. */
void reap_look_stops(struct reap *r);

#endif
