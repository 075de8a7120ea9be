/* SPDX-License-Identifier: MIT */
/* rankstate - what the processes of this node's ranks do at this moment, for a look at a job
 * that ends no steps.
 *
 * A rank is its first process and what descends from it, or has stayed in its group or session after
 * its parent went. Of several the one that used most CPU time stands for the rank: a
 * program is often started by a shell or a container's runtime, which only waits. All of it
 * is one pass over /proc, and a snapshot. */
#ifndef AGENT_RANKSTATE_H
#define AGENT_RANKSTATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/base/limits.h"

#define RANKSTATE_PROCESSES 16384u /* of the node that are looked at */

struct rankstate {
    pid_t first; /* asked: its first process; 0: leave it out */
    /* seen; pid 0: nothing is left of it */
    pid_t pid;
    char state;                                /* a letter of /proc/PID/stat */
    char wait_channel[LIMIT_WAIT_CHANNEL + 1]; /* "": none, or not to be read */
    uint32_t threads;
    uint64_t cpu_ms;
    bool traced;
    uint32_t pids[LIMIT_STALL_PIDS]; /* as their own namespaces number them */
    size_t n_pids;
};

/* -errno: no /proc. */
int rankstate_look(struct rankstate *ranks, size_t n);

#endif
