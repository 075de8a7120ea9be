/* SPDX-License-Identifier: MIT */
/* ncclsaid - what NCCL said of its networks in a rank's output (NCCL_DEBUG=INFO): which it
 * has, which it uses, and whether through GPUDirect RDMA. Pure; the forms are those of
 * NCCL 2.18 to 2.28. Anything may stand in the output of a rank, and hardly any of it is
 * NCCL's: bytes are looked at one line at a time, names are kept when they can be names.
 */
#ifndef LAUNCHER_NCCLSAID_H
#define LAUNCHER_NCCLSAID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NCCLSAID_LINE 4096u /* longer ones are not NCCL's */
#define NCCLSAID_NAME 64u
#define NCCLSAID_NETS 64u /* devices, joined ones included */
#define NCCLSAID_USES 128u

struct ncclsaid_use {   /* a connection to another node; equal ones once */
    char transport[24]; /* "IB", "Socket", "AWS Libfabric" */
    uint32_t dev;
    bool receives; /* else it sends */
    bool gdr;
    bool relayed; /* by the proxy of another rank */
};

struct ncclsaid {
    char nets[NCCLSAID_NETS][NCCLSAID_NAME]; /* of its InfiniBand transport; "" */
    char network[24];                        /* "Using network IB"; "" not said */
    bool no_device;                          /* it found no InfiniBand device */
    struct ncclsaid_use uses[NCCLSAID_USES];
    size_t n_uses;
    char line[NCCLSAID_LINE]; /* being read */
    size_t len;
    bool too_long;
};

/* s is zeroed before the first. */
void ncclsaid_add(struct ncclsaid *s, const void *data, size_t len);
void ncclsaid_end(struct ncclsaid *s); /* a last line without newline */
/* "mlx5_0", "mlx5_0+mlx5_1"; "" when it was not said, or is of another transport. */
const char *ncclsaid_net(const struct ncclsaid *s, const struct ncclsaid_use *u);

#endif
