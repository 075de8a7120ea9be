/* SPDX-License-Identifier: MIT */
/* numa_impl - what numa.c puts in a row: each finds what its probes ask. */
#ifndef AGENT_AUDIT_NUMA_IMPL_H
#define AGENT_AUDIT_NUMA_IMPL_H

#include "agent/audit/findings.h"
#include "agent/audit/numaset.h"
#include "agent/audit/pcilist.h"

#define NUMA_NODES   "/sys/devices/system/node"
#define NUMA_AT_MOST 1024u /* of a machine: the kernel's own limit */

struct numa {
    const struct machine *m;
    struct pcilist pci;
    struct numaset nodes; /* online */
    unsigned n;           /* 0: a kernel without NUMA */
};

void numa_devices(const struct numa *x, struct findings *f);    /* NU1 */
void numa_near(const struct numa *x, struct findings *f);       /* NU5 */
void numa_distances(const struct numa *x, struct findings *f);  /* NU2 */
void numa_attributes(const struct numa *x, struct findings *f); /* NU3 */
void numa_threads(const struct numa *x, struct findings *f);    /* NU7 */

#endif
