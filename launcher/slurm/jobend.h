/* SPDX-License-Identifier: MIT */
/* jobend - why a job of Slurm's ends, as far as Slurm says. Pure. */
#ifndef LAUNCHER_SLURM_JOBEND_H
#define LAUNCHER_SLURM_JOBEND_H

#include "launcher/slurm/facts.h"

enum slurm_end_why {
    SLURM_GOES_ON,   /* it does not end, for all that Slurm knows */
    SLURM_CANCELLED, /* somebody wants it to */
    SLURM_TIMEOUT,
    SLURM_TAKEN, /* preempted, requeued, a node failed; or Slurm does not say */
};

struct slurm_end {
    enum slurm_end_why why;
    char text[160]; /* "the job was preempted" */
};
void slurm_end_of(const struct slurm_job *job, struct slurm_end *ret);

#endif
