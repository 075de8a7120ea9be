/* SPDX-License-Identifier: MIT */
/* runstop - end a run from wherever its directory is seen: first the jobs that wait, then
 * the head, through Slurm or, on its own machine, by its process. Blocks until nothing goes
 * on with the run; says on the log what it waits for. */
#ifndef LAUNCHER_RUNSTOP_H
#define LAUNCHER_RUNSTOP_H

#include <stdbool.h>

#include "proto/base/err.h"

#define RUNSTOP_WAIT_MS (15u * 60 * 1000) /* for a stop with the job's grace */
#define RUNSTOP_NOW_MS  (60u * 1000)

/* now: without grace, and what does not end is killed. A run that has ended is no failure.
 * -ETIMEDOUT: it goes on; ERR_USAGE: it can only be stopped elsewhere, e says where. */
int runstop(const char *dir, bool now, struct err *e);

#endif
