/* SPDX-License-Identifier: MIT */
/* gpu_nccl.c - see gpu.h: sums over the ranks by NCCL. Its id goes from rank 0 to all by
 * comm, a byte a number. */
#include <nccl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/workload/comm.h"
#include "agent/workload/cuda/gpu_impl.h"

struct gpu_nccl {
    ncclComm_t comm;
};

static bool good(struct gpu *g, ncclResult_t rc, const char *call)
{
    char why[300];
    if (rc == ncclSuccess)
        return true;
    const char *last = ncclGetLastError(g->nccl ? g->nccl->comm : NULL);
    snprintf(why, sizeof why, "%s%s%s", ncclGetErrorString(rc),
             last && *last ? ": " : "; NCCL_DEBUG=WARN says more", last ? last : "");
    gpu_fail(g, call, why);
    return false;
}

static ncclUniqueId same_id(struct gpu *g, const struct comm *c)
{
    ncclUniqueId id = {{0}};
    double bytes[sizeof id + 1]; /* and whether rank 0 has one */
    bool made = c->rank > 0 || good(g, ncclGetUniqueId(&id), "ncclGetUniqueId");
    for (size_t i = 0; i < sizeof id; i++)
        bytes[i] = (unsigned char)id.internal[i];
    bytes[sizeof id] = made;
    comm_from_first(c, bytes, sizeof id + 1);
    for (size_t i = 0; i < sizeof id; i++)
        id.internal[i] = (char)(unsigned char)bytes[i];
    if (bytes[sizeof id] == 0)
        gpu_fail(g, "ncclGetUniqueId", "rank 0 has none");
    return id;
}

void gpu_join(struct gpu *g, const struct comm *c)
{
    gpu_place(g, "the meeting of %d ranks", c->size);
    ncclUniqueId id = same_id(g, c);
    if (g->error[0])
        return;
    g->nccl = calloc(1, sizeof *g->nccl);
    if (!g->nccl)
        gpu_fail(g, "calloc", "out of memory");
    else
        good(g, ncclCommInitRank(&g->nccl->comm, c->size, id, c->rank),
             "ncclCommInitRank");
}

void gpu_nccl_close(struct gpu *g)
{
    if (g->nccl && g->nccl->comm) {
        if (g->error[0])
            (void)ncclCommAbort(g->nccl->comm);
        else
            (void)ncclCommDestroy(g->nccl->comm);
    }
    free(g->nccl);
    g->nccl = NULL;
}

void gpu_abort(struct gpu *g)
{
    gpu_fail(g, "gpu_abort", "another rank failed");
    gpu_nccl_close(g);
}

void gpu_nccl_look(struct gpu *g)
{
    ncclResult_t state = ncclSuccess;
    if (g->error[0] || !g->nccl || !g->nccl->comm)
        return;
    if (good(g, ncclCommGetAsyncError(g->nccl->comm, &state),
             "ncclCommGetAsyncError") &&
        state != ncclInProgress)
        good(g, state, "NCCL, after the call");
}

static ncclDataType_t type_of(enum gpu_type t)
{
    return t == GPU_F64 ? ncclDouble : t == GPU_F32 ? ncclFloat : ncclBfloat16;
}

void gpu_sum(struct gpu *g, void *v, size_t n, enum gpu_type t)
{
    if (!g->error[0])
        good(g,
             ncclAllReduce(v, v, n, type_of(t), ncclSum, g->nccl->comm,
                           g->stream[GPU_SUMS]),
             "ncclAllReduce");
}

void gpu_from_first(struct gpu *g, void *v, size_t n, enum gpu_type t)
{
    if (!g->error[0])
        good(g,
             ncclBroadcast(v, v, n, type_of(t), 0, g->nccl->comm, g->stream[GPU_SUMS]),
             "ncclBroadcast");
}
