/* SPDX-License-Identifier: MIT */
/* interrupt - the signals that a user or a batch system sends to a running job. */
#ifndef LAUNCHER_INTERRUPT_H
#define LAUNCHER_INTERRUPT_H

#include <stdbool.h>

#include "launcher/job.h"

/* Ctrl-C (SIGINT): on a terminal the first prints the state and how to stop, the second
 * stops with the grace, the third kills; without a terminal, or a job now, the first stops,
 * the second kills. SIGTERM and SIGHUP: stop, again: kill. Once more after the kill: leave.
 * Within a job of Slurm's two SIGTERM in a second are one. SIGUSR1 and SIGUSR2 go to the
 * ranks. A SIGHUP that was ignored when aolani-run was started (nohup) stays ignored. */
struct interrupt;
struct interrupt *interrupt_create(struct loop *l, struct job *j, bool tty);
/* The signals that come from now on are for this job, the next attempt; NULL: there is none
 * now. */
void interrupt_watch(struct interrupt *i, struct job *j);
/* Called for each signal that stops or kills, before the job is. */
void interrupt_on_stop(struct interrupt *i, void (*stop)(void *arg, int signum),
                       void *arg);
void interrupt_destroy(struct interrupt *i);

#endif
