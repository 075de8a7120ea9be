/* SPDX-License-Identifier: MIT */
/* topo - a node as placement needs it: aolani-describe's message, checked and with its
 * texts read. Pure. What is borrowed from the message lives as long as that.
 *
 * Every index has been checked, every set lies within the allowed CPUs, parents come before
 * children (but for switches that a topology file of NCCL has added). A node without a description (an old agent, no helper) still has its cores: a
 * topology with one NUMA node that is not known (`known` false), no GPUs, no NICs.
 */
#ifndef LAUNCHER_PLACE_TOPO_H
#define LAUNCHER_PLACE_TOPO_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/err.h"
#include "proto/base/rankset.h"
#include "proto/wire/aolani.pb-c.h"

struct topo_group { /* a package or an L3 cache */
    uint32_t os;
    struct rankset cpus;
};

struct topo_numa {
    uint32_t os;
    struct rankset cpus;
    uint64_t mem_bytes;
    int package; /* index; -1 */
    bool of_gpu;
};

struct topo_core {
    struct rankset cpus;   /* its allowed hardware threads, never empty */
    int package, numa, l3; /* indexes; -1: not known */
};

struct topo_place { /* where a device is */
    bool located;
    bool shared;         /* the sets are those of another place, which owns them */
    struct rankset cpus; /* may be empty: no CPU there is allowed */
    struct rankset numa; /* OS indexes */
    int node;            /* the NUMA node that holds all of it: index; -1: several */
    int package;         /* the same; -1: several, or not known */
};

struct topo_pci {
    const Aolani__PciNode *m;
    int parent; /* -1 */
    unsigned depth;
    struct topo_place place; /* a child without one of its own has its parent's */
};

struct topo_gpu {
    const Aolani__Gpu *m;
    int pci; /* -1 */
    struct topo_place place;
};

struct topo_nic {
    const Aolani__Nic *m;
    int pci; /* -1 */
    struct topo_place place;
};

struct topo {
    const Aolani__Topology *m; /* NULL: the node did not describe itself */
    bool known;                /* NUMA nodes and devices were looked for */
    char *why, *hint;          /* its description cannot be used: why, and the way out;
                                  NULL where it can, or there is none */
    struct rankset allowed;
    struct topo_group *packages, *l3;
    struct topo_numa *numa;
    struct topo_core *cores; /* in the message's order: neighbours share caches */
    struct topo_pci *pci;
    struct topo_gpu *gpus;
    struct topo_nic *nics;
    size_t n_packages, n_l3, n_numa, n_cores, n_pci, n_gpus, n_nics;
    struct topo_added
        *added;     /* switches that a topology file of NCCL names (ncclapply.h),
                                 the last ones in pci; NULL: none */
    char *file_why; /* that file is there and not used: why; else NULL */
};

/* ERR_PROTO: the message contradicts itself or passes a limit; it names what. */
int topo_load(const Aolani__Topology *m, struct topo **ret, struct err *e);
/* Of a node's own description: its topology; its cores alone when it has none, or one that
 * topo_load refuses (then `why` says so). ERR_PROTO: not even the cores are right. */
int topo_of_node(const Aolani__NodeInfo *info, struct topo **ret, struct err *e);
void topo_destroy(struct topo *t);

/* How far two devices are from each other; smaller is nearer. */
enum topo_level {
    TOPO_SWITCH, /* a PCI bridge in common, below the host bridge */
    TOPO_PHB,    /* the same host bridge */
    TOPO_NODE,   /* the same NUMA node */
    TOPO_PKG,    /* the same package */
    TOPO_SYS,
};
struct topo_path {
    enum topo_level level;
    unsigned bridges; /* TOPO_SWITCH: PCI bridges on the way; else 0 */
    bool known;       /* false: the system does not say where one of them is */
};
/* a, b: indexes in pci; -1 gives TOPO_SYS, not known. */
struct topo_path topo_path(const struct topo *t, int a, int b);
/* By place alone: TOPO_NODE or further. A rank's cores have a place too. */
struct topo_path topo_path_of_places(const struct topo_place *a,
                                     const struct topo_place *b);
struct topo_path topo_path_gpu_nic(const struct topo *t, uint32_t gpu, uint32_t nic);
int topo_path_compare(const struct topo_path *a, const struct topo_path *b);
/* The place of some CPUs; its sets are copies. -ENOMEM. */
int topo_place_of_cpus(const struct topo *t, const struct rankset *cpus,
                       struct topo_place *ret);
void topo_place_fini(struct topo_place *p);
/* As nvidia-smi says it: "PIX" (at most one switch: a bridge in common and one for each),
 * "PXB", "PHB", "NODE", "SYS"; two packages' as well as unknown distances are "SYS". */
const char *topo_path_name(const struct topo_path *p);

/* The number (NicPort.number) of a port that is up, else of one whose state is not known;
 * -1: none. The fastest, then the first. */
int topo_nic_port(const struct topo_nic *n);
bool topo_nic_is_rdma(const struct topo_nic *n);
const char *topo_nic_kind(Aolani__Nic__Kind kind); /* "InfiniBand" */

/* "0000:18:00.0" before "0000:2a:00.0": by domain, bus, device, function as numbers. */
int topo_compare_bus_ids(const char *a, const char *b);

#endif
