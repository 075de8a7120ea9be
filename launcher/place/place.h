/* SPDX-License-Identifier: MIT */
/* place - which rank runs where: GPU, NIC, NUMA nodes, cores. Pure: the spec and what every
 * node says of itself give the plan; the same input gives the same plan.
 *
 * Ranks are numbered node by node. With ranks_per_node = "gpu" there is one for each GPU of
 * a node; with a number n, G GPUs are dealt out in index order as contiguous even shares
 * (more ranks than GPUs share them in turn).
 *
 * NICs: of all RDMA NICs of the job the compute fabric is chosen once (fabric.h); a rank's
 * are those of its node's that are in it, up, not excluded, and nearest to its first GPU;
 * one of them is its own, so that no NIC of equals has two ranks more than another.
 *
 * Cores: whole, from the locality of its GPUs (L3, then NUMA node, then package), divided
 * among the ranks that share it without overlap; where no CPU of it is allowed, from the
 * nearest that has some. Without GPUs: shares that do not straddle a NUMA node where they
 * need not. housekeeping_cores are the first of every NUMA node in turn. Nodes that are
 * simulated on one machine share its cores and GPUs among them.
 *
 * The order in which equals are dealt out is that of the GPUs' bus ids, so that names and
 * indexes decide nothing.
 *
 * strict: whatever would be a warning of a compromise is ERR_BIND.
 */
#ifndef LAUNCHER_PLACE_PLACE_H
#define LAUNCHER_PLACE_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "launcher/place/topo.h"
#include "launcher/spec.h"

struct plan_rank {
    uint32_t rank, node, local_rank;
    char *cpus;          /* "0-3"; "" not bound */
    uint32_t n_cores;    /* whole ones in it */
    struct rankset numa; /* OS indexes; empty: its memory may be anywhere */
    uint32_t *gpus;      /* indexes in the node's topo; its own, the first decides */
    size_t n_gpus;
    uint32_t *nics;       /* indexes; all that are equally near, its own first */
    size_t n_nics;        /* 0: none */
    struct topo_path nic; /* from the first GPU (else from the cores) to its own NIC */
};

struct plan_node {
    const struct topo *topo; /* borrowed */
    bool oversubscribed;     /* more ranks than cores */
    bool flat;      /* every GPU is as near to every NIC: no locality is claimed */
    uint32_t *gpus; /* those of the job, in the order that ranks see them: the first
                                GPU of each local rank, then the others */
    size_t n_gpus;
    uint32_t *nics; /* nearest to any of those GPUs (of any rank, without), ascending */
    size_t n_nics;
};

/* Something the user should know of one node. */
struct plan_note {
    uint32_t node;
    bool compromise; /* strict refuses it */
    char *text;      /* without the node's name */
};

struct plan {
    uint32_t n_nodes, world_size;
    uint32_t *first_rank;    /* n_nodes + 1 */
    struct plan_rank *ranks; /* world_size */
    struct plan_node *nodes;
    struct plan_note *notes; /* by node */
    size_t n_notes;
};

/* shared_host: the nodes are simulated on one machine, which topos[0] describes. ERR_BIND:
 * the ranks cannot be placed. topos must outlive the plan. */
int place(const struct spec *s, bool shared_host, char *const *names,
          struct topo *const *topos, uint32_t n_nodes, struct plan *ret, struct err *e);
void plan_fini(struct plan *p);

#endif
