/* SPDX-License-Identifier: MIT */
/* plan - the head's Prepare, checked before anything is done with it. */
#ifndef AGENT_PLAN_H
#define AGENT_PLAN_H

#include <stdbool.h>

#include "agent/host.h"
#include "proto/base/err.h"
#include "proto/wire/aolani.pb-c.h"

/* Bounds, and that it is this node's. ERR_PROTO: the head should not have sent it. */
int plan_check(const Aolani__Prepare *plan, const char *run_id, uint32_t node,
               struct err *e);
/* Can it run here: the working directory, the CPUs and NUMA nodes. The code is one that the head gives on
 * to the user. */
int plan_fit(const Aolani__Prepare *plan, const struct host *h, struct err *e);
/* Shall the helper be started? ERR_BOOT: asked for, and it is not there. */
int plan_wants_pmix(const Aolani__Prepare *plan, const struct host *h, bool *ret,
                    struct err *e);

#endif
