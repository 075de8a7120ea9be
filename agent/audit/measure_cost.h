/* SPDX-License-Identifier: MIT */
/* measure_cost - what CPUID and reading the clock cost, in ns.
 *
 * A hypervisor has to serve each CPUID, so it costs what leaving a guest costs. */
#ifndef AGENT_AUDIT_MEASURE_COST_H
#define AGENT_AUDIT_MEASURE_COST_H

#include "agent/audit/measure_pool.h"
#include "proto/wire/aolani.pb-c.h"

/* On one CPU, in that time. NULL: not x86, or it could not be measured. The caller's. */
Aolani__AuditCost *measure_cost_cpuid(struct measure_pool *p, uint64_t span_ns);
Aolani__AuditCost *measure_cost_clock(struct measure_pool *p, uint64_t span_ns);

#endif
