/* SPDX-License-Identifier: MIT */
/* ncclsaid - what NCCL said of its networks (NCCL_DEBUG=INFO) in its own file, which the
 * agent reads, or in a rank's output: which it has, which it uses, whether through GPUDirect
 * RDMA, and what it warned of. Pure; the forms are those of NCCL 2.18 to 2.28. Anything may
 * stand in the output of a rank, and hardly any of it is NCCL's: bytes are looked at one line
 * at a time, names are kept when they can be names.
 */
#ifndef PROTO_WIRE_NCCLSAID_H
#define PROTO_WIRE_NCCLSAID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NCCLSAID_LINE      4096u /* longer ones are not NCCL's */
#define NCCLSAID_NAME      64u
#define NCCLSAID_NETS      64u /* devices, joined ones included */
#define NCCLSAID_USES      128u
#define NCCLSAID_TRANSPORT 24u
#define NCCLSAID_WARNINGS  4u /* the first; equal ones once */
#define NCCLSAID_WORDS     200u

struct ncclsaid_use { /* a connection to another node; equal ones once */
    char transport[NCCLSAID_TRANSPORT]; /* "IB", "Socket", "AWS Libfabric" */
    uint32_t dev;
    bool receives; /* else it sends */
    bool gdr;
    bool relayed; /* by the proxy of another rank */
};

struct ncclsaid {
    char nets[NCCLSAID_NETS][NCCLSAID_NAME]; /* of its InfiniBand transport; "" */
    char network[NCCLSAID_TRANSPORT];        /* "Using network IB"; "" not said */
    bool no_device;                          /* it found no InfiniBand device */
    char ib[NCCLSAID_WORDS]; /* what it said of InfiniBand first, but for what it uses;
                                printable; "" */
    struct ncclsaid_use uses[NCCLSAID_USES];
    size_t n_uses;
    char warnings[NCCLSAID_WARNINGS][NCCLSAID_WORDS]; /* printable */
    size_t n_warnings;
    size_t n_changes;         /* counts whatever was new */
    char line[NCCLSAID_LINE]; /* being read */
    size_t len;
    bool too_long;
};

/* s is zeroed before the first. */
void ncclsaid_add(struct ncclsaid *s, const void *data, size_t len);
void ncclsaid_end(struct ncclsaid *s); /* a last line without newline */
/* What add and end do with a line; of words what is not printable becomes '?', and a long
 * one is cut. */
void ncclsaid_set_net(struct ncclsaid *s, uint32_t dev, const char *name);
void ncclsaid_add_use(struct ncclsaid *s, const struct ncclsaid_use *u);
void ncclsaid_set_network(struct ncclsaid *s,
                          const char *text); /* up to what is no name */
void ncclsaid_set_no_device(struct ncclsaid *s);
void ncclsaid_set_ib(struct ncclsaid *s, const char *text);
void ncclsaid_add_warning(struct ncclsaid *s, const char *text);
/* Can this be the name of a device ("mlx5_0+mlx5_1"), of a transport ("AWS Libfabric"; "")? */
bool ncclsaid_is_net(const char *text);
bool ncclsaid_is_transport(const char *text);
/* "mlx5_0", "mlx5_0+mlx5_1"; "" when it was not said, or is of another transport. */
const char *ncclsaid_net(const struct ncclsaid *s, const struct ncclsaid_use *u);

#endif
