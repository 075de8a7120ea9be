/* SPDX-License-Identifier: MIT */
/* placecheck - a job's nodes, tried as a run would: an agent on each, everything prepared,
 * no rank started, nothing left. */
#ifndef LAUNCHER_PLACECHECK_H
#define LAUNCHER_PLACECHECK_H

#include "launcher/nodes.h"
#include "launcher/spec.h"
#include "proto/base/rlimits.h"

/* Prints what was found on stdout, progress and warnings on stderr. The exit status that a
 * run would have ended with at this point, 0 when it would have started its ranks; or
 * negative: it could not even begin. limits: the user's own. */
int placecheck(const struct spec *s, struct nodes *nodes, const struct rlimits *limits,
               struct err *e);

#endif
