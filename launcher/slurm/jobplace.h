/* SPDX-License-Identifier: MIT */
/* jobplace - where a job of Slurm's was submitted, and what it runs. */
#ifndef LAUNCHER_SLURM_JOBPLACE_H
#define LAUNCHER_SLURM_JOBPLACE_H

#include <limits.h>
#include <stdint.h>

#include "proto/base/err.h"

struct jobplace {
    char command[PATH_MAX]; /* the batch script; "": none, or not known */
    char folder[PATH_MAX];  /* where it was submitted; "": not known */
};

/* Blocks, up to SLURM_ASK_MS. ERR_USAGE: Slurm knows no such job (any more). */
int jobplace_now(uint32_t job, struct jobplace *ret, struct err *e);
/* The text of `scontrol show job ID`, a fact a line. Without any: all is "". */
void jobplace_of_scontrol(const char *text, struct jobplace *ret);

#endif
