/* SPDX-License-Identifier: MIT */
/* ncclfile - NCCL's XML description of a node: the topology file of a provider, and what
 * NCCL_TOPO_DUMP_FILE makes it write. Pure; the text comes from a machine that is not ours.
 *
 *   system > cpu (numaid) > pci (busid, link_speed, link_width) > pci ...
 *                           pci > gpu (dev, rank, gdr), pci or cpu > nic > net (name, dev, ...)
 *
 * Other elements and attributes are passed over. A document type is refused, and with it
 * entities of its own.
 */
#ifndef LAUNCHER_PLACE_NCCLFILE_H
#define LAUNCHER_PLACE_NCCLFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"

enum ncclfile_kind {
    NCCLFILE_CPU,
    NCCLFILE_PCI,
    NCCLFILE_GPU,
    NCCLFILE_NIC,
    NCCLFILE_NET,
};

#define NCCLFILE_NAME 64

struct ncclfile_node {
    enum ncclfile_kind kind;
    int parent;               /* index; -1: a CPU. Parents come first */
    char bus_id[16];          /* of pci; "" elsewhere */
    uint32_t link_mts;        /* MT/s per lane; 0: not said */
    uint32_t link_width;      /* lanes */
    int number;               /* numaid, dev; -1: not said */
    int rank;                 /* of a GPU; -1 */
    int gdr;                  /* of GPU and network: 0, 1; -1: not said */
    char name[NCCLFILE_NAME]; /* of a network: "mlx5_0", "mlx5_0+mlx5_1" */
};

struct ncclfile {
    struct ncclfile_node *nodes;
    size_t n;
};

/* ERR_PARSE names the line; ERR_LIMIT: larger than any such file (LIMIT_NCCL_*). */
int ncclfile_parse(const char *text, size_t len, struct ncclfile *ret, struct err *e);
void ncclfile_fini(struct ncclfile *f);

#endif
