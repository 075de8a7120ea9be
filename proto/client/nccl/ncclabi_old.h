/* SPDX-License-Identifier: MIT */
/* ncclabi_old - as ncclabi, versions 1 to 3: NCCL 2.23 takes version 1, 2.24 and 2.25 version
 * 2, 2.26 version 3.
 *
 * Which communicator it is, only COLL and P2P say; there are no times of the GPU. Descriptors
 * are alike in what comes before the union, and in proxy_op.
 */
#ifndef PROTO_CLIENT_NCCL_NCCLABI_OLD_H
#define PROTO_CLIENT_NCCL_NCCLABI_OLD_H

#include "proto/client/nccl/ncclabi.h"

struct ncclabi_p2p_old { /* of versions 2 and 3 */
    const char *comm_name;
    uint64_t comm;
    const char *func;
    void *buffer;
    const char *datatype;
    size_t count;
    int peer;
};

struct ncclabi_descr3 {
    uint8_t type;
    void *parent;
    int rank;
    union {
        struct {
            const char *comm_name;
            uint64_t comm;
            uint64_t seq;
            const char *func;
            const void *send;
            void *recv;
            size_t count;
            int root;
            const char *datatype;
            uint8_t n_max_channels, n_warps;
            const char *algo, *proto;
        } coll;
        struct ncclabi_p2p_old p2p;
        struct ncclabi_proxy_op proxy_op;
        int proxy_step;
        uint8_t kernel_ch;
        struct ncclabi_net_plugin net_plugin;
    };
};

/* As version 3 up to datatype, and in p2p. */
struct ncclabi_descr2 {
    uint8_t type;
    void *parent;
    int rank;
    union {
        struct {
            const char *comm_name;
            uint64_t comm;
            uint64_t seq;
            const char *func;
            const void *send;
            void *recv;
            size_t count;
            int root;
            const char *datatype;
            size_t traffic_bytes;
            uint8_t n_max_channels, n_warps;
            const char *algo, *proto;
        } coll;
        struct ncclabi_p2p_old p2p;
        struct ncclabi_proxy_op proxy_op;
        int proxy_step;
    };
};

/* Numbers where later ones have names. */
struct ncclabi_descr1 {
    uint8_t type;
    void *parent;
    int rank;
    union {
        struct {
            const char *comm_name;
            uint64_t comm;
            uint64_t seq;
            uint8_t func;
            const void *send;
            void *recv;
            size_t count;
            int root;
            uint8_t datatype;
            uint32_t op;
            size_t traffic_bytes;
            uint8_t n_max_channels, n_warps, algo, proto;
            int is_collnet, is_nvls;
        } coll;
        struct {
            const char *comm_name;
            uint64_t comm;
            uint8_t func;
            void *buffer;
            uint8_t datatype;
            size_t count;
            int peer;
        } p2p;
        struct ncclabi_proxy_op proxy_op;
        int proxy_step;
    };
};

union ncclabi_args3 {
    struct {
        size_t bytes;
        int steps;
    } proxy_op;
    int proxy_ctrl_ops;
};

struct ncclabi_table3 {
    const char *name;
    int (*init)(void **context, int *mask);
    int (*start)(void *context, void **ret_handle,
                 void *d); /* a descriptor of its version */
    int (*stop)(void *handle);
    int (*record)(void *handle, int state, union ncclabi_args3 *args);
    int (*finalize)(void *context);
};

/* As in ncclabi.h. */
_Static_assert(sizeof(struct ncclabi_descr3) == 24 + 96, "v3");
_Static_assert(offsetof(struct ncclabi_descr3, coll.datatype) == 24 + 64, "v3");
_Static_assert(offsetof(struct ncclabi_descr2, coll.datatype) == 24 + 64, "v2");
_Static_assert(offsetof(struct ncclabi_descr2, p2p.count) ==
                   offsetof(struct ncclabi_descr3, p2p.count),
               "v2");
_Static_assert(sizeof(struct ncclabi_descr2) == 24 + 104, "v2");
_Static_assert(offsetof(struct ncclabi_descr1, coll.datatype) == 24 + 60, "v1");
_Static_assert(offsetof(struct ncclabi_descr1, coll.is_nvls) == 24 + 88, "v1");
_Static_assert(offsetof(struct ncclabi_descr1, p2p.count) == 24 + 40, "v1");
_Static_assert(sizeof(struct ncclabi_descr1) == 24 + 96, "v1");

#endif
