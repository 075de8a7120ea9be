/* SPDX-License-Identifier: MIT */
/* runclaim - whose turn it is to become a run's head, where the file system has no locks:
 * RUN/head.claim is there from just before until just after RUN/head is written. */
#ifndef LAUNCHER_RUNCLAIM_H
#define LAUNCHER_RUNCLAIM_H

#include <stdbool.h>

#include "proto/base/err.h"

/* -EBUSY: it is another's. force: nobody else begins, whatever the file says. */
int runclaim_take(const char *dir, bool force, struct err *e);
void runclaim_end(const char *dir);

#endif
