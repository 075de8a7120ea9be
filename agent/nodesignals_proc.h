/* SPDX-License-Identifier: MIT */
/* nodesignals_proc - what /proc says of a node: time stolen of its CPUs, interrupts, and how
 * long tasks waited for CPUs, memory and I/O. A part of nodesignals.
 *
 * Steal of 0 is what a kernel says that is not told: it counts as known where whoever calls
 * knows it to be told (nodesignals_steal_is_told), or once some was seen. */
#ifndef AGENT_NODESIGNALS_PROC_H
#define AGENT_NODESIGNALS_PROC_H

#include "agent/nodesignals_file.h"
#include "agent/nodesignals_merge.h"

/* Bare metal, whose 0 is true, or a hypervisor that tells its guests. cmdline: of the
 * kernel, which can be made not to listen. */
bool nodesignals_steal_is_told(const char *cmdline);

struct nodesignals_proc;
struct nodesignals_proc_config {
    const char *proc; /* "/proc" */
    bool reopen;      /* see nodesignals_file */
    bool steal_is_told;
    const uint32_t *cpus; /* borrowed, ascending */
    size_t n_cpus;
};
int nodesignals_proc_create(const struct nodesignals_proc_config *c,
                            struct nodesignals_proc **ret); /* -ENOMEM */
void nodesignals_proc_destroy(struct nodesignals_proc *p);
/* Since the last call; the first begins, and knows nothing. Interrupts are counted by the
 * kernel for all of its CPUs: told is the share of those the job may use. */
void nodesignals_proc_read(struct nodesignals_proc *p, struct nodesignals_sum *ret);

#endif
