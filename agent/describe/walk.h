/* SPDX-License-Identifier: MIT */
/* walk - what the readers of an hwloc topology share while they fill in a message. */
#ifndef AGENT_DESCRIBE_WALK_H
#define AGENT_DESCRIBE_WALK_H

#include <stdbool.h>

#include "proto/base/err.h"
#include "proto/wire/aolani.pb-c.h"

struct hwloc_topology; /* only .c files know hwloc */
struct hwloc_obj;
struct hwloc_bitmap_s;

struct walk {
    Aolani__Topology *t;
    struct hwloc_topology *hw;
    struct hwloc_bitmap_s *allowed; /* CPUs that may be used */
    struct hwloc_bitmap_s *own;     /* NUMA nodes that have CPUs of their own */
    struct hwloc_bitmap_s *usable;  /* of those the allowed ones with an allowed CPU */
    const char *sysfs;              /* laid out like /sys; NULL: none */
    bool live;                      /* sysfs is this machine's own */
};

/* The functions below return 0 or -ENOMEM. */

/* load.c: xml (a text, or NULL) or the machine below `root` (or NULL: this one). */
int walk_load(struct walk *w, char *xml, size_t xml_len, const char *root,
              struct err *e);
void walk_unload(struct walk *w);

/* cpus.c: product, packages, NUMA nodes, L3 caches, cores. */
int walk_cpus(struct walk *w);
/* Where a device is: the CPUs and NUMA nodes of what it hangs on. */
int walk_place(const struct walk *w, struct hwloc_obj *device, char **cpus,
               uint32_t **numa, size_t *n_numa, protobuf_c_boolean *located);

/* pcis.c: the GPUs and NICs, and all that lies between them and the CPUs. */
int walk_devices(struct walk *w);
/* 1 + the index of a device in t->pci, put there with all above it; 0: no room. */
int walk_add_pci(struct walk *w, struct hwloc_obj *device, uint32_t *ret);
bool walk_is_under_pci(const struct hwloc_obj *osdev);

/* gpus.c, nics.c: what a PCI device is, if it is one; of devices that are not on PCI. */
int walk_add_gpus(struct walk *w, struct hwloc_obj *device);
int walk_add_nics(struct walk *w, struct hwloc_obj *device);
bool walk_is_virtual_nic(const struct hwloc_obj *device);
int walk_add_lone_gpu(struct walk *w, struct hwloc_obj *osdev);
int walk_add_lone_nic(struct walk *w, struct hwloc_obj *osdev);

#endif
