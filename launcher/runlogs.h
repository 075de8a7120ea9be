/* SPDX-License-Identifier: MIT */
/* runlogs - what the ranks of a run wrote, from the files of its directory, be it while they
 * still write; or what its launcher said in the batch jobs.
 *
 * Files are read as they grow, by looking at them again and again, so that this works from
 * any machine that sees the directory. Blocks, and writes on our own standard output and
 * standard error.
 */
#ifndef LAUNCHER_RUNLOGS_H
#define LAUNCHER_RUNLOGS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/err.h"
#include "proto/base/rankset.h"

struct runlogs_config {
    const char *dir;             /* of the run */
    const struct rankset *ranks; /* empty: all */
    bool streams[2];             /* standard output, standard error */
    int64_t lines;               /* of each file; -1: all */
    uint32_t attempt;            /* 0: the last, and with follow those after it */
    bool follow;                 /* until the run has ended for good */
    bool launcher;               /* slurm-<id>.out in place of the ranks' files */
};

int runlogs_print(const struct runlogs_config *c, struct err *e);

#endif
