/* SPDX-License-Identifier: MIT */
/* measure_room - how much memory may be taken for a moment without pushing anybody out. */
#ifndef AGENT_AUDIT_MEASURE_ROOM_H
#define AGENT_AUDIT_MEASURE_ROOM_H

#include <stdint.h>

#include "agent/audit/machine.h"

/* Bytes that are free for us on a NUMA node; what the page cache gives back counts as free.
 * UINT64_MAX: nothing says. */
uint64_t measure_room_numa(const struct machine *m, uint32_t numa);
/* Below each limit of our cgroup; likewise. */
uint64_t measure_room_cgroup(const struct machine *m);

#endif
