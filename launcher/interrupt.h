/* SPDX-License-Identifier: MIT */
/* interrupt - the signals that a user or a batch system sends to a running job. */
#ifndef LAUNCHER_INTERRUPT_H
#define LAUNCHER_INTERRUPT_H

#include <stdbool.h>

#include "launcher/job.h"

/* Ctrl-C (SIGINT): on a terminal the first prints the state and how to stop, the second
 * stops with the grace, the third kills; without a terminal the first stops, the second
 * kills. SIGTERM and SIGHUP: stop, again: kill. Once more after the kill: leave. SIGUSR1 and SIGUSR2 go to the ranks. A
 * SIGHUP that was ignored when aolani-run was started (nohup) stays ignored. */
struct interrupt;
struct interrupt *interrupt_create(struct loop *l, struct job *j, bool tty);
/* The signals that come from now on are for this job, the next attempt. */
void interrupt_watch(struct interrupt *i, struct job *j);
/* The user wants an end: no further attempt. */
bool interrupt_has_stopped(const struct interrupt *i);
void interrupt_destroy(struct interrupt *i);

#endif
