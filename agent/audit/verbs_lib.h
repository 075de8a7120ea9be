/* SPDX-License-Identifier: MIT */
/* verbs_lib - the functions of libibverbs.so.1 that are used, found when it is loaded. */
#ifndef AGENT_AUDIT_VERBS_LIB_H
#define AGENT_AUDIT_VERBS_LIB_H

#include <infiniband/verbs.h>

#include "proto/base/err.h"

/* Two of the header's names are macros over newer ways than every library has. */
#undef ibv_reg_mr
#undef ibv_query_port

/* X(name, type): all but the last one are called as they are declared. */
#define VERBS_FUNCTIONS(X)                                                        \
    X(get_device_list, struct ibv_device **(*)(int *))                            \
    X(free_device_list, void (*)(struct ibv_device **))                           \
    X(get_device_name, const char *(*)(struct ibv_device *))                      \
    X(open_device, struct ibv_context *(*)(struct ibv_device *))                  \
    X(close_device, int (*)(struct ibv_context *))                                \
    X(query_port, int (*)(struct ibv_context *, uint8_t, struct ibv_port_attr *)) \
    X(query_gid, int (*)(struct ibv_context *, uint8_t, int, union ibv_gid *))    \
    X(alloc_pd, struct ibv_pd *(*)(struct ibv_context *))                         \
    X(dealloc_pd, int (*)(struct ibv_pd *))                                       \
    X(reg_mr, struct ibv_mr *(*)(struct ibv_pd *, void *, size_t, int))           \
    X(dereg_mr, int (*)(struct ibv_mr *))                                         \
    X(create_cq, struct ibv_cq *(*)(struct ibv_context *, int, void *,            \
                                    struct ibv_comp_channel *, int))              \
    X(destroy_cq, int (*)(struct ibv_cq *))                                       \
    X(create_qp, struct ibv_qp *(*)(struct ibv_pd *, struct ibv_qp_init_attr *))  \
    X(modify_qp, int (*)(struct ibv_qp *, struct ibv_qp_attr *, int))             \
    X(destroy_qp, int (*)(struct ibv_qp *))

struct verbs_lib {
#define VERBS_FIELD(name, type) __typeof__(type) name;
    VERBS_FUNCTIONS(VERBS_FIELD)
#undef VERBS_FIELD
};

int verbs_lib_open(struct verbs_lib *ret, struct err *e);

#endif
