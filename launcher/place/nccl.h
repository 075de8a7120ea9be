/* SPDX-License-Identifier: MIT */
/* nccl - which NIC NCCL will use for a GPU, and whether through GPUDirect RDMA. Pure.
 *
 * As NCCL 2.28 decides (its src/graph and net_ib). Its tree has the GPUs, the NICs and of
 * the PCI bridges the upper ports of switches, below one CPU for each NUMA node; links count
 * with their highest speed, whatever they run at now (ncclgraph.h). Candidates of a GPU are
 * the NICs with the largest bandwidth on the way, of these the ones of the least path type;
 * channel 0 takes the one at the GPU's NVML index, its bits mirrored where the candidates
 * are a power of two in number. Ports of one card (and its virtual functions) are one NIC.
 *
 * What a description cannot say is assumed: that NIC, GPU and driver are able to do
 * GPUDirect RDMA; that GPUs with NVLink reach each other directly (where no driver was
 * asked, by their PCI ids); that ports of unknown rate are faster than their PCI link; that
 * CPUs of unknown make have the links of Intel's Skylake; that all GPUs given are in the
 * communicator, the first with the first rank of the node. AMD's RCCL decides otherwise.
 */
#ifndef LAUNCHER_PLACE_NCCL_H
#define LAUNCHER_PLACE_NCCL_H

#include <stdbool.h>
#include <stdint.h>

#include "launcher/place/topo.h"

enum nccl_path { /* NCCL's own numbers */
                 NCCL_PATH_LOC = 0,
                 NCCL_PATH_NVL = 1,
                 NCCL_PATH_NVB = 2,
                 NCCL_PATH_C2C = 3,
                 NCCL_PATH_PIX = 4,
                 NCCL_PATH_PXB = 5,
                 NCCL_PATH_P2C = 6,
                 NCCL_PATH_PXN = 7,
                 NCCL_PATH_PHB = 8,
                 NCCL_PATH_SYS = 9,
                 NCCL_PATH_NET = 10,
                 NCCL_PATH_DIS = 11,
};
const char *nccl_path_name(enum nccl_path p); /* "PIX" */

#define NCCL_FUSED_MAX 4u /* ports that NCCL makes one NIC of */

/* Those of NCCL's variables that change its choice. */
struct nccl_env {
    enum nccl_path gdr_level; /* NCCL_NET_GDR_LEVEL */
    bool gdr_c2c;             /* NCCL_NET_GDR_C2C */
    bool pxn, pxn_c2c;        /* NCCL_PXN_DISABLE, NCCL_PXN_C2C */
    bool fuse;                /* NCCL_IB_MERGE_NICS, NCCL_NET_MERGE_LEVEL */
    bool merge_vfs;           /* NCCL_IB_MERGE_VFS */
};
extern const struct nccl_env nccl_env_default;
/* "NAME=value"; what is none of them, or makes no sense to NCCL either, changes nothing. */
void nccl_env_set(struct nccl_env *env, const char *assignment);

struct nccl_choice {
    bool known; /* false: no rule is known for this GPU; `why` says so */
    uint32_t
        *candidates; /* indexes of NICs, in NCCL's order, of several that are one the
                             first; owned */
    size_t n_candidates; /* 0 and known: NCCL has no RDMA NIC here, and uses sockets */
    uint32_t nic;        /* what channel 0 takes */
    uint32_t
        fused[NCCL_FUSED_MAX]; /* all NICs that this one is made of, itself first */
    size_t n_fused;
    enum nccl_path path;
    double bandwidth; /* GB/s, as NCCL counts */
    bool gdr;         /* by distance; the driver may still refuse */
    char why[120];    /* "distance PHB is beyond PXB" */
};

/* nics: indexes of those that NCCL may use (of these, ports that are down are left out);
 * gpus: of the job's GPUs of the node, by local rank. gpus[i] gives ret[i]; free with
 * nccl_choice_fini. -ENOMEM. env: what the job sets, or
 * nccl_env_default. */
int nccl_predict(const struct topo *t, const struct nccl_env *env, const uint32_t *nics,
                 size_t n_nics, const uint32_t *gpus, size_t n_gpus,
                 struct nccl_choice *ret, struct err *e);
void nccl_choice_fini(struct nccl_choice *c);
/* The NICs that a value of NCCL_IB_HCA allows, of all RDMA NICs: as NCCL reads it ("^" for
 * all others, "=" for whole names, else beginnings; a port only where one is given). ret has
 * room for all of t->n_nics. */
size_t nccl_nics_named(const struct topo *t, const char *value, uint32_t *ret);

#endif
