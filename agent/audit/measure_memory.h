/* SPDX-License-Identifier: MIT */
/* measure_memory - how much each NUMA node's memory brings to one core, and to all of its
 * cores: a triad, a = b + s * c, with stores that do not fetch what they overwrite, over
 * more than the last-level caches hold.
 *
 * All NUMA nodes at once, as a job will have them, so that it takes no longer where there
 * are eight. One hardware thread of each core: the second one brings nothing. Rates are by
 * the CPU time of each thread: what others took away is noise, and said there.
 */
#ifndef AGENT_AUDIT_MEASURE_MEMORY_H
#define AGENT_AUDIT_MEASURE_MEMORY_H

#include "agent/audit/measure_cpus.h"
#include "agent/audit/measure_impl.h"

/* Until then, or less. Fills memory; notes what was not measured. */
void measure_memory(struct measuring *r, const struct measure_cpus *cpus,
                    uint64_t end_ns);

#endif
