/* SPDX-License-Identifier: MIT */
/* ncclapply - what a provider's topology file for NCCL adds to what a node says of itself.
 * Pure.
 *
 * A virtual machine often shows every device at the root of a bus of its own; the file names
 * the switches that are really there. They are believed where the system shows none: a
 * device that the system shows behind a switch stays where it is, and so does one whose
 * NUMA node the file would change, since providers have confused these. NUMA nodes and CPUs
 * in the file are never used.
 */
#ifndef LAUNCHER_PLACE_NCCLAPPLY_H
#define LAUNCHER_PLACE_NCCLAPPLY_H

#include "launcher/place/ncclfile.h"
#include "launcher/place/topo.h"

/* The file's switches, as bridges (a port of the root, the switch's port, a port for each
 * device) at the end of t->pci: 1, or 0 when it adds nothing. -ENOMEM. At most once for a
 * topology. */
int ncclapply(struct topo *t, const struct ncclfile *f, struct err *e);
/* With the file in the node's own description, if there is one. ERR_PARSE, ERR_LIMIT: the
 * file cannot be read; nothing is changed. */
int ncclapply_own(struct topo *t, struct err *e);
void ncclapply_destroy(struct topo_added *a); /* with the topology */

#endif
