/* SPDX-License-Identifier: MIT */
/* measure_cgroup - the control groups that we are in, and what their limits on CPU time
 * took from us. */
#ifndef AGENT_AUDIT_MEASURE_CGROUP_H
#define AGENT_AUDIT_MEASURE_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/audit/machine.h"

/* Our group of that controller and each one above it, up to the root, which has limits of
 * its own in a container. v2: of the unified hierarchy. */
typedef void (*measure_cgroup_f)(const struct machine *m, const char *dir, bool v2,
                                 void *arg);
void measure_cgroup_each(const struct machine *m, const char *controller,
                         measure_cgroup_f f, void *arg);

/* For how long any of those groups was held back since it is there, by all that is in it. */
uint64_t measure_cgroup_throttled_ns(const struct machine *m);

#endif
