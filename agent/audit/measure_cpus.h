/* SPDX-License-Identifier: MIT */
/* measure_cpus - where the CPUs that are measured stand: their NUMA node, their core, and
 * the last caches of the node. */
#ifndef AGENT_AUDIT_MEASURE_CPUS_H
#define AGENT_AUDIT_MEASURE_CPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/audit/machine.h"

struct measure_cpu {
    uint32_t cpu, numa;
    bool
        leads; /* the first of its core's hardware threads among those of these CPUs that
                   are in its NUMA node; so each NUMA node has one */
};

struct measure_numa {
    uint32_t numa;
    uint64_t cache_bytes; /* of all last-level caches that its CPUs have */
    size_t n_cores;
};

struct measure_cpus {
    struct measure_cpu *cpus; /* as they were given, ascending */
    size_t n;
    struct measure_numa *numas; /* with any of the CPUs; ascending */
    size_t n_numas;
};

/* What /sys does not tell: one NUMA node, each CPU a core, a cache that is rather large.
 * -ENOMEM. */
int measure_cpus_read(const struct machine *m, const uint32_t *cpus, size_t n,
                      struct measure_cpus *ret);
void measure_cpus_fini(struct measure_cpus *c); /* takes a zeroed one */

#endif
