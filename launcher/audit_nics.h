/* SPDX-License-Identifier: MIT */
/* audit_nics - the rails that pairs of nodes are measured over: the NICs of each node that a
 * run of the job would give to its ranks, by bus id. Pure.
 *
 * A rail is the NIC of one name on all nodes; of a node with names of its own it is the one
 * at the same place. A node that lacks one, since its port is down, has a gap there.
 */
#ifndef LAUNCHER_AUDIT_NICS_H
#define LAUNCHER_AUDIT_NICS_H

#include "launcher/audit/audit.h"
#include "launcher/spec.h"

/* infos: of each node of ret; NULL: it never connected. Fills in the rails of the nodes; one
 * without goes over TCP. -ENOMEM. */
int audit_nics(const struct spec *s, const Aolani__NodeInfo *const *infos,
               struct audit *ret);

#endif
