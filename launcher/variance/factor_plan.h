/* SPDX-License-Identifier: MIT */
/* factor_plan - the facts of each rank, from the plan and what the nodes are made of. Pure. */
#ifndef LAUNCHER_VARIANCE_FACTOR_PLAN_H
#define LAUNCHER_VARIANCE_FACTOR_PLAN_H

#include "launcher/place/place.h"
#include "launcher/variance/factor.h"

/* infos: what the nodes said of themselves, may hold NULLs. -ENOMEM. */
int factors_of_plan(const struct plan *p, char *const *node_names,
                    const Aolani__NodeInfo *const *infos, struct factors **ret);

#endif
