/* SPDX-License-Identifier: MIT */
/* gpucopy_impl - the parts of gpucopy that its files and its test share. */
#ifndef AGENT_AUDIT_GPUCOPY_IMPL_H
#define AGENT_AUDIT_GPUCOPY_IMPL_H

#include "agent/audit/gpucopy.h"
#include "agent/audit/machine.h"
#include "agent/audit/numaset.h"

/* MB/s that the PCIe links on the way to a GPU can carry, at the best that both ends of
 * each can do; 0: not known. Packets' headers take 10 to 20 percent of it. */
uint64_t gpucopy_rated(const struct machine *m, const char *bus_id);
/* The CPUs near a GPU, as /sys has them: "0-3,8". false: not known. */
bool gpucopy_near(const struct machine *m, const char *bus_id, struct numaset *ret);

#endif
