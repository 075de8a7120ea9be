/* SPDX-License-Identifier: MIT */
/* place_impl - what place.c (the whole plan), place_gpus.c, place_cores.c (which cores are
 * whose; with localize.c), place_split.c (dividing a run of cores) and place_nics.c share. */
#ifndef LAUNCHER_PLACE_PLACE_IMPL_H
#define LAUNCHER_PLACE_PLACE_IMPL_H

#include "launcher/place/fabric.h"
#include "launcher/place/place.h"

struct placing {
    const struct spec *spec;
    struct plan *plan;
    char *const *names; /* of the nodes */
    struct fabric fabric;
    bool any_gpus; /* that ranks may have, on any node */
    size_t cap_notes;
};

/* One machine: a node, or all that are simulated on it. */
struct site {
    const struct topo *topo;
    uint32_t first_node, n_nodes;
    struct plan_rank *ranks;
    uint32_t n_ranks;
};

/* ---- place.c ---- */

/* With strict a compromise is ERR_BIND; the hint is for that. -ENOMEM. */
int place_note(struct placing *p, uint32_t node, struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
int place_compromise(struct placing *p, uint32_t node, const char *hint, struct err *e,
                     const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* ---- place_gpus.c ---- */

struct gpu_share { /* what of a machine's GPUs one of its nodes has */
    uint32_t first, n;
};
struct gpu_share place_gpu_share(const struct spec *s, const struct topo *t,
                                 uint32_t node, uint32_t n_nodes);
int place_gpus(struct placing *p, const struct site *s, struct err *e);
/* False: none of any kind, as of an export of hwloc without I/O. */
bool place_has_devices(const struct topo *t);
/* In the order of the bus, then of the index. */
int place_compare_gpus(const struct topo *t, uint32_t a, uint32_t b);

/* ---- place_cores.c ---- */

int place_cores(struct placing *p, const struct site *s, struct err *e);
size_t place_count_numa(const struct topo *t); /* without memory of GPUs */

/* ---- place_split.c ---- */

/* cores: indexes in topo, in topological order. `cuts` gets n_shares + 1 places in it.
 * Sizes are equal within one; among such cuts, the one that parts the fewest packages,
 * NUMA nodes and L3 groups. n >= n_shares. -ENOMEM. */
int split_even(const struct topo *t, const uint32_t *cores, size_t n, size_t n_shares,
               size_t *cuts);
/* The same without straddling: shares by NUMA nodes, sizes equal within one in each.
 * from, to: of every share. */
int split_by_numa(const struct topo *t, const uint32_t *cores, size_t n,
                  size_t n_shares, size_t *from, size_t *to);

/* ---- place_nics.c ---- */

int place_nics(struct placing *p, const struct site *s, struct err *e);

#endif
