/* SPDX-License-Identifier: MIT */
/* measure - what can only be measured: the noise of each CPU, memory bandwidth, the cost of
 * leaving a guest and of reading the clock, copies to and from GPUs, and who else is busy.
 *
 * It keeps CPUs busy on purpose, so nothing else of ours may run on the node meanwhile, and
 * it lasts no longer than its budget: with little of that it measures less, and notes what.
 */
#ifndef AGENT_AUDIT_MEASURE_H
#define AGENT_AUDIT_MEASURE_H

#include <stdint.h>

#include "proto/base/err.h"
#include "proto/wire/aolani.pb-c.h"

#define MEASURE_LEAST_MS 200u
#define MEASURE_MOST_MS  15000u

/* Called at least twice a second while it lasts. */
typedef void (*measure_progress)(void *arg, const char *what, unsigned percent);

/* *ret is the caller's. -errno: nothing could be measured at all. */
int measure_run(uint64_t budget_ms, measure_progress progress, void *arg,
                Aolani__AuditMeasured **ret, struct err *e);

#endif
