/* SPDX-License-Identifier: MIT */
/* runfile - find and read the run.json of a run, for the verbs that take a RUN: run.json
 * itself, a run directory, or the folder of run directories (then the latest). */
#ifndef LAUNCHER_RUNFILE_H
#define LAUNCHER_RUNFILE_H

#include "proto/base/buf.h"
#include "proto/base/err.h"

#define RUNFILE_BYTES (256u << 20) /* of LIMIT_RANKS ranks with steps: 170 MiB */

/* *ret: the path of its run.json, to be freed. ERR_USAGE with the reason. */
int runfile_find(const char *run, char **ret, struct err *e);
int runfile_read(const char *path, struct buf *out, struct err *e);

#endif
