/* SPDX-License-Identifier: MIT */
/* topo_impl - what topo.c (CPUs and memory) and topo_devices.c (what hangs on them)
 * share. `what` and `i` name a part of the message in errors. */
#ifndef LAUNCHER_PLACE_TOPO_IMPL_H
#define LAUNCHER_PLACE_TOPO_IMPL_H

#include "launcher/place/topo.h"

/* ---- topo.c ---- */

/* A set of CPUs that are allowed. */
int topo_read_cpus(const struct topo *t, struct rankset *s, const char *text,
                   const char *what, size_t i, struct err *e);
int topo_check_count(size_t n, size_t max, const char *what, struct err *e);
/* The smallest NUMA node with all of these CPUs, never memory of a GPU; -1: none. Of nodes
 * with the same CPUs (memory of another kind) the first. */
int topo_numa_of(const struct topo *t, const struct rankset *cpus);

/* ---- topo_devices.c: element i of each; those before it have been loaded ---- */

int topo_load_pci(struct topo *t, const Aolani__PciNode *m, size_t i, struct err *e);
int topo_load_gpu(struct topo *t, const Aolani__Gpu *m, size_t i, struct err *e);
int topo_load_nic(struct topo *t, const Aolani__Nic *m, size_t i, struct err *e);

#endif
