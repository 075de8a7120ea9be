/* SPDX-License-Identifier: MIT */
/* ncclabi - what NCCL and a profiler plug-in say to each other: the tables that NCCL looks
 * up in the plug-in by name (ncclProfiler_v5 down to _v1), and what it passes.
 *
 * Declared here, so that nothing of NCCL's is needed to build; only order, sizes and numbers
 * must be NCCL's. NCCL 2.27 takes version 4, 2.28 and later version 5; what came before is in
 * ncclabi_old.h.
 */
#ifndef PROTO_CLIENT_NCCL_NCCLABI_H
#define PROTO_CLIENT_NCCL_NCCLABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What is returned; a callback never fails. */
enum { NCCLABI_SUCCESS = 0 };

/* Kinds of events, and bits of the mask. A plug-in that asks for one gets its parents. */
enum ncclabi_event {
    NCCLABI_GROUP = 1 << 0,
    NCCLABI_COLL = 1 << 1,
    NCCLABI_P2P = 1 << 2,
    NCCLABI_PROXY_OP = 1 << 3,
    NCCLABI_PROXY_STEP = 1 << 4,
    NCCLABI_PROXY_CTRL = 1 << 5,
    NCCLABI_KERNEL_CH = 1 << 6,
    NCCLABI_NET_PLUGIN = 1 << 7,
    NCCLABI_GROUP_API = 1 << 8, /* this and the following: version 5 */
    NCCLABI_COLL_API = 1 << 9,
    NCCLABI_P2P_API = 1 << 10,
    NCCLABI_KERNEL_LAUNCH = 1 << 11,
    NCCLABI_KNOWN = (1 << 12) - 1,
};
enum ncclabi_state { NCCLABI_KERNEL_CH_STOP = 22 };

enum { NCCLABI_LOG_WARN = 2, NCCLABI_LOG_INFO = 3 };
typedef void (*ncclabi_log_f)(int level, unsigned long subsystems, const char *file,
                              int line, const char *format, ...);

/* ---- parts of descriptors that versions share */

struct ncclabi_proxy_op {
    pid_t pid; /* who made the operation, and alone may follow its parent */
    uint8_t channel;
    int peer, n_steps, chunk_bytes, is_send;
};
struct ncclabi_net_plugin {
    int64_t id;
    void *data;
};
struct ncclabi_kernel_ch {
    uint8_t channel;
    uint64_t start; /* the GPU's globaltimer, ns; not in version 3 */
};

/* ---- version 5 */

struct ncclabi_coll5 {
    uint64_t seq;
    const char *func;
    const void *send;
    void *recv;
    size_t count;
    int root;
    const char *datatype;
    uint8_t n_channels, n_warps;
    const char *algo, *proto;
    void *group;
};
struct ncclabi_p2p5 {
    const char *func;
    void *buffer;
    const char *datatype;
    size_t count;
    int peer;
    uint8_t n_channels;
    void *group;
};

struct ncclabi_descr5 {
    uint64_t type;
    void *parent; /* of COLL and P2P: their API event */
    int rank;
    union {
        struct {
            bool captured;
            int depth;
        } group_api;
        struct {
            const char *func;
            size_t count;
            const char *datatype;
            int root;
            void *stream;
            bool captured;
        } coll_api;
        struct {
            const char *func;
            size_t count;
            const char *datatype;
            void *stream;
            bool captured;
        } p2p_api;
        struct {
            void *stream;
        } kernel_launch;
        struct ncclabi_coll5 coll;
        struct ncclabi_p2p5 p2p;
        struct ncclabi_proxy_op proxy_op;
        int proxy_step;
        struct ncclabi_kernel_ch kernel_ch;
        struct ncclabi_net_plugin net_plugin;
    };
};
/* Of a change of state; versions 4 and 5. */
union ncclabi_args5 {
    size_t proxy_step_bytes;
    int proxy_ctrl_ops;
    void *net_plugin;
    uint64_t kernel_ch_stop; /* ns, as start */
};

struct ncclabi_table5 {
    const char *name;
    int (*init)(void **context, uint64_t comm, int *mask, const char *name, int n_nodes,
                int n_ranks, int rank, ncclabi_log_f log);
    int (*start)(void *context, void **ret_handle, struct ncclabi_descr5 *d);
    int (*stop)(void *handle);
    int (*record)(void *handle, int state, union ncclabi_args5 *args);
    int (*finalize)(void *context);
};

/* ---- version 4: the parent of COLL and P2P is their group */

struct ncclabi_descr4 {
    uint8_t type;
    void *parent;
    int rank;
    union {
        struct {
            uint64_t seq;
            const char *func;
            const void *send;
            void *recv;
            size_t count;
            int root;
            const char *datatype;
            uint8_t n_channels, n_warps;
            const char *algo, *proto;
        } coll;
        struct {
            const char *func;
            void *buffer;
            const char *datatype;
            size_t count;
            int peer;
            uint8_t n_channels;
        } p2p;
        struct ncclabi_proxy_op proxy_op;
        int proxy_step;
        struct ncclabi_kernel_ch kernel_ch;
        struct ncclabi_net_plugin net_plugin;
    };
};

struct ncclabi_table4 {
    const char *name;
    int (*init)(void **context, int *mask, const char *name, uint64_t comm, int n_nodes,
                int n_ranks, int rank, ncclabi_log_f log);
    int (*start)(void *context, void **ret_handle, struct ncclabi_descr4 *d);
    int (*stop)(void *handle);
    int (*record)(void *handle, int state, union ncclabi_args5 *args);
    int (*finalize)(void *context);
};

/* What NCCL's compiler makes of them on x86-64 and arm64. */
_Static_assert(sizeof(void *) == 8, "handles are numbers of 64 bits");
_Static_assert(offsetof(struct ncclabi_descr5, coll.datatype) == 24 + 48, "v5");
_Static_assert(offsetof(struct ncclabi_descr5, coll.group) == 24 + 80, "v5");
_Static_assert(offsetof(struct ncclabi_descr5, coll_api.captured) == 24 + 40, "v5");
_Static_assert(sizeof(struct ncclabi_descr5) == 24 + 88, "v5");
_Static_assert(sizeof(struct ncclabi_descr4) == 24 + 80, "v4");

#endif
