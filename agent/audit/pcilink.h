/* SPDX-License-Identifier: MIT */
/* pcilink - how wide and fast the link of a device runs, or can run. */
#ifndef AGENT_AUDIT_PCILINK_H
#define AGENT_AUDIT_PCILINK_H

#include "agent/audit/pcilist.h"

struct pcilink {
    unsigned lanes, mts; /* MT/s of one lane; 0: not known */
};

/* most: what it can. */
struct pcilink pcilink_read(const struct machine *m, const struct pcilist_device *d,
                            bool most);
/* A NIC whose link could not carry 64 Gbit/s at its best: for people who log in, not for
 * the data of GPUs. */
bool pcilink_is_small(const struct pcilist_device *d, struct pcilink can);

#endif
