/* SPDX-License-Identifier: MIT */
/* ncclgraph - a node as NCCL sees it: GPUs, networks, PCI switches, one CPU for each NUMA
 * node, the links between them, and the paths that it finds in that. Pure; for nccl.c.
 */
#ifndef LAUNCHER_PLACE_NCCLGRAPH_H
#define LAUNCHER_PLACE_NCCLGRAPH_H

#include "launcher/place/nccl.h"

#define NCCLGRAPH_NETS 32u /* NCCL's own maximum of ports */

enum ncclgraph_kind {
    NCCLGRAPH_GPU,
    NCCLGRAPH_PCI, /* a switch */
    NCCLGRAPH_CPU,
    NCCLGRAPH_NIC, /* a card; a network for each port, or for all of them */
    NCCLGRAPH_NET,
};

struct ncclgraph_link {
    uint32_t to;
    enum nccl_path type;
    float bandwidth; /* GB/s; float, since equal ones must be equal as NCCL's are */
};

struct ncclgraph_node {
    enum ncclgraph_kind kind;
    int pci;                        /* index in the topology; -1: none */
    int parent;                     /* node; -1: a CPU */
    bool gone;                      /* joined with the switch above */
    const struct topo_place *place; /* of a CPU */
    float bandwidth;                /* of the link to the parent */
    struct ncclgraph_link *links;
    size_t n_links;
};

struct ncclgraph_net {
    uint32_t node;
    uint32_t nics[NCCL_FUSED_MAX]; /* indexes in the topology */
    size_t n_nics;
    float bandwidth;
};

struct ncclgraph {
    struct ncclgraph_node *nodes;
    size_t n_nodes;
    uint32_t *gpus; /* nodes, in the order given */
    size_t n_gpus;
    struct ncclgraph_net nets[NCCLGRAPH_NETS]; /* in NCCL's order */
    size_t n_nets;
};

/* -ENOMEM. The topology must outlive it. */
int ncclgraph_build(const struct topo *t, const struct nccl_env *env,
                    const uint32_t *nics, size_t n_nics, const uint32_t *gpus,
                    size_t n_gpus, struct ncclgraph *ret);
void ncclgraph_fini(struct ncclgraph *g);

struct ncclgraph_path {
    enum nccl_path type; /* NCCL_PATH_DIS: there is none */
    float bandwidth;
    unsigned hops;
};
/* From a node to every node: ret has n_nodes. -ENOMEM. */
int ncclgraph_paths(const struct ncclgraph *g, uint32_t from,
                    struct ncclgraph_path *ret);

/* ---- nccllink.c: how fast it takes links to be ---- */

#define NCCLGRAPH_LOCAL 5000.0f /* what is no bottleneck */
#define NCCLGRAPH_C2C   447.0f  /* ten links of 44.7; more than any NIC */

float ncclgraph_link(const struct topo *t, int pci); /* of a device to its port */
float ncclgraph_between_cpus(const struct topo *t);
/* Has NVLink to other GPUs; is joined to its CPU by NVLink-C2C. */
bool ncclgraph_has_nvlink(const struct topo *t, const struct topo_gpu *g);
bool ncclgraph_has_c2c(const struct topo *t, const struct topo_gpu *g);

/* ---- ncclnets.c: which networks NCCL makes of NICs ---- */

struct ncclnets_port { /* what it calls a device */
    uint32_t nic;
    int pci;         /* the card's function 0; -1: it is not there */
    float bandwidth; /* GB/s */
    const char *layer;
    bool fusable; /* of NCCL's own InfiniBand transport */
};
/* Fills ret (NCCLGRAPH_NETS) and the card of each net; at most NCCLGRAPH_NETS ports are
 * looked at, as NCCL does. */
size_t ncclnets_of(const struct topo *t, const struct nccl_env *env,
                   const uint32_t *nics, size_t n_nics, struct ncclgraph_net *ret,
                   int *ret_pci);

#endif
