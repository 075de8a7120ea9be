/* SPDX-License-Identifier: MIT */
/* gpu_impl - what the three files of a CUDA device share; nobody else includes it. The types
 * of their libraries stay inside them, but for the stream, which is a pointer. */
#ifndef CUDA_GPU_IMPL_H
#define CUDA_GPU_IMPL_H

#include "agent/workload/cuda/gpu.h"

struct gpu_blas;
struct gpu_nccl;

enum { GPU_MOST_ALLOCS = 128 };

struct gpu {
    char name[256], place[96], error[480];
    bool tf32;
    void *stream[GPU_STREAMS]; /* cudaStream_t */
    void *event[GPU_STREAMS];  /* cudaEvent_t: what gpu_order waits for */
    void *graph;               /* cudaGraphExec_t */
    unsigned n_allocs, n_hosts;
    void *alloc[GPU_MOST_ALLOCS], *host[GPU_MOST_ALLOCS];
    struct gpu_blas *blas;
    struct gpu_nccl *nccl;
};

/* Keeps the first failure. call: "cublasGemmEx"; why: what the library says. */
void gpu_fail(struct gpu *g, const char *call, const char *why);

void gpu_blas_open(struct gpu *g);
void gpu_blas_close(struct gpu *g);

void gpu_nccl_close(struct gpu *g);
void gpu_nccl_look(struct gpu *g); /* did a rank or a network fail meanwhile? */

#endif
