/* SPDX-License-Identifier: MIT */
/* runfind - the run directory that a user means: itself, a file in it, a folder with a
 * `latest` in it, or the id of a job of Slurm's. A run need not have ended, or begun. */
#ifndef LAUNCHER_RUNFIND_H
#define LAUNCHER_RUNFIND_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/err.h"

#define RUNFIND_DEFAULT "runs" /* where runs are unless the job file says otherwise */

/* run NULL: the latest in RUNFIND_DEFAULT. *ret: absolute, to be freed. ERR_USAGE with the
 * reason. May ask Slurm (up to SLURM_ASK_MS). */
int runfind(const char *run, char **ret, struct err *e);
/* The run in this folder of runs that this job was submitted for; NULL: none. To be
 * freed. */
char *runfind_by_job(const char *folder, uint32_t job);

#endif
