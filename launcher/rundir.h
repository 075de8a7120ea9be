/* SPDX-License-Identifier: MIT */
/* rundir - the folder of a run: <output>/<name>-<UTC time>-<id>/, mode 0700, and the link
 * `latest` beside it. Nothing in it is ever truncated by a later attempt.
 *
 *   run.json spec.toml journal run.db key attempt-<k>/rank-<0000>.{out,err}
 */
#ifndef LAUNCHER_RUNDIR_H
#define LAUNCHER_RUNDIR_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/base/err.h"

struct rundir {
    char path[PATH_MAX]; /* absolute */
};

/* Make the folder (and output, where it is missing); `latest` is replaced atomically. The
 * name is the job's, with everything but [A-Za-z0-9._-] made '_'; id: hexadecimal digits
 * of the run, the first four are used; on a collision more. */
int rundir_create(const char *output, const char *name, uint64_t real_ns,
                  const char *id, struct rundir *ret, struct err *e);
/* <path>/<file> into ret. -ENAMETOOLONG. */
int rundir_path(const struct rundir *d, const char *file, char *ret, size_t len,
                struct err *e);
/* <path>/attempt-<k>, made with mode 0700; *ret gets its path. */
int rundir_attempt(const struct rundir *d, uint32_t attempt, char *ret, size_t len,
                   struct err *e);
/* A whole file, atomically: temporary name, fsync, rename. */
int rundir_write(const char *path, const void *data, size_t len, mode_t mode,
                 struct err *e);

#endif
