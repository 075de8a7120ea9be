/* SPDX-License-Identifier: MIT */
/* nccl - which NIC NCCL will use for a GPU, and whether through GPUDirect RDMA. Pure.
 *
 * As NCCL 2.28 decides: ncclTopoGetLocal, ncclTopoGetLocalNet, ncclTopoCheckGdr, path types
 * and bandwidths of its src/graph. Links count with their highest speed, whatever they run
 * at now; NICs are those of NCCL_IB_HCA when it is given.
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

struct nccl_choice {
    uint32_t *candidates; /* indexes of NICs, in NCCL's order; owned */
    size_t n_candidates;  /* 0: NCCL has no RDMA NIC here, and uses sockets */
    uint32_t nic;         /* what channel 0 takes */
    enum nccl_path path;
    double bandwidth; /* GB/s, as NCCL counts */
    bool gdr;         /* by distance; the driver may still refuse */
    char why[120];    /* "distance PHB is beyond PXB" */
};

/* nics: indexes of those that NCCL may use; all GPUs of the node are in NCCL's own index
 * order. gpus[i] gives ret[i]; free with nccl_choice_fini. -ENOMEM. */
int nccl_predict(const struct topo *t, const uint32_t *nics, size_t n_nics,
                 const uint32_t *gpus, size_t n_gpus, struct nccl_choice *ret,
                 struct err *e);
void nccl_choice_fini(struct nccl_choice *c);

#endif
