/* SPDX-License-Identifier: MIT */
/* jobsignal - a signal to one process of a job of Slurm's, on whichever of its nodes that is. */
#ifndef LAUNCHER_SLURM_JOBSIGNAL_H
#define LAUNCHER_SLURM_JOBSIGNAL_H

#include <stdint.h>
#include <sys/types.h>

#include "proto/base/err.h"

/* By a step of its own beside the others. host: as gethostname(2) says there; ticks: when the
 * process was started, so that no other is meant that has its number now (one that is gone
 * is no failure). ERR_USAGE: the host is no node of the job. Blocks, up to twice
 * SLURM_ASK_MS. */
int jobsignal(uint32_t job, const char *host, pid_t pid, uint64_t ticks, int signum,
              struct err *e);

#endif
