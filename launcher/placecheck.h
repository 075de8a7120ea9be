/* SPDX-License-Identifier: MIT */
/* placecheck - a job's nodes, tried as a run would: an agent on each, everything prepared,
 * no rank started, nothing left; or only asked what they are. */
#ifndef LAUNCHER_PLACECHECK_H
#define LAUNCHER_PLACECHECK_H

#include "launcher/nodes.h"
#include "launcher/spec.h"
#include "proto/base/rlimits.h"
#include "proto/wire/aolani.pb-c.h"

/* Prints what was found on stdout, progress and warnings on stderr. The exit status that a
 * run would have ended with at this point, 0 when it would have started its ranks; or
 * negative: it could not even begin. limits: the user's own. */
int placecheck(const struct spec *s, struct nodes *nodes, const struct rlimits *limits,
               struct err *e);

/* The nodes are asked what they are, and nothing is prepared: agents are started, and gone
 * when this returns. 0: ret[i] is the description of node i, to be freed (the first without
 * one is NULL). Else as placecheck: what went wrong has been said on stderr, or is in e. */
int placecheck_describe(const struct spec *s, struct nodes *nodes,
                        const struct rlimits *limits, Aolani__NodeInfo **ret,
                        struct err *e);

#endif
