/* SPDX-License-Identifier: MIT */
/* facts - what Slurm says of one of its jobs: nodes, shares of them, state, and when it must
 * end. Pure: texts in, facts out; asking is ask.h. */
#ifndef LAUNCHER_SLURM_FACTS_H
#define LAUNCHER_SLURM_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"

struct slurm_node {
    char *name;    /* NodeName, as SLURMD_NODENAME has it */
    uint32_t cpus; /* of this job on it; 0: not known */
    uint32_t gpus; /* GRES gpu of this job on it; 0: none, or not known */
};

struct slurm_job {
    uint32_t id; /* 0: no job */
    char name[64], state[32], reason[64], partition[64], cluster[64];
    struct slurm_node *nodes; /* in Slurm's order; owned */
    size_t n_nodes;           /* 0: none yet */
    uint64_t start_real_ns; /* of a pending one: when Slurm expects it; 0: not known */
    uint64_t end_real_ns; /* the time limit, or when it ended; 0: none, or not known */
    uint32_t restarts;    /* how often it was requeued */
    bool preempted;       /* it still runs, but has been told to make room */
};

/* Is this process inside a job of Slurm's, one with nodes (SLURM_JOB_ID, SLURM_JOB_NODELIST)? */
bool slurm_is_inside(void);
/* The job that the environment tells of. ERR_USAGE: it is not one, or makes no sense. */
int slurm_job_of_env(struct slurm_job *ret, struct err *e);
/* One line of `scontrol show job -d -o`. ERR_PROTO: it is not one. */
int slurm_job_of_scontrol(const char *text, struct slurm_job *ret, struct err *e);
/* It has ended, or is about to without running any more. */
bool slurm_job_is_over(const struct slurm_job *j);
void slurm_job_fini(struct slurm_job *j);

#endif
