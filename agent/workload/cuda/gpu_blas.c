/* SPDX-License-Identifier: MIT */
/* gpu_blas.c - see gpu.h: matrix products by cuBLAS, summed in FP64 or FP32. */
#include <cublas_v2.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/workload/cuda/gemm.h"
#include "agent/workload/cuda/gpu_impl.h"

/* What NVIDIA advises for Hopper. Ours, because a graph must find it where it was. */
#define WORKSPACE ((size_t)32 << 20)

struct gpu_blas {
    cublasHandle_t handle;
};

static bool good(struct gpu *g, cublasStatus_t rc, const char *call)
{
    if (rc == CUBLAS_STATUS_SUCCESS)
        return true;
    gpu_fail(g, call, cublasGetStatusString(rc));
    return false;
}

void gpu_blas_open(struct gpu *g)
{
    void *workspace = gpu_alloc(g, WORKSPACE);
    if (!workspace)
        return;
    g->blas = calloc(1, sizeof *g->blas);
    if (!g->blas) {
        gpu_fail(g, "calloc", "out of memory");
        return;
    }
    if (good(g, cublasCreate(&g->blas->handle), "cublasCreate") &&
        good(g, cublasSetStream(g->blas->handle, g->stream[GPU_COMPUTE]),
             "cublasSetStream"))
        /* After the stream, which takes the workspace away. */
        good(g, cublasSetWorkspace(g->blas->handle, workspace, WORKSPACE),
             "cublasSetWorkspace");
}

void gpu_blas_close(struct gpu *g)
{
    if (g->blas && g->blas->handle)
        (void)cublasDestroy(g->blas->handle);
    free(g->blas);
    g->blas = NULL;
}

static cudaDataType_t type_of(enum gpu_type t)
{
    return t == GPU_F64 ? CUDA_R_64F : t == GPU_F32 ? CUDA_R_32F : CUDA_R_16BF;
}

static cublasComputeType_t sums_of(const struct gpu *g, enum gpu_type in)
{
    if (in == GPU_F64)
        return CUBLAS_COMPUTE_64F;
    return in == GPU_F32 && g->tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
}

void gpu_gemm(struct gpu *g, const struct gemm *m, enum gpu_type in, enum gpu_type out,
              const void *a, const void *b, void *c)
{
    const double one = 1, none = 0;
    const float one_f = 1, none_f = 0;
    bool wide = in == GPU_F64; /* the type of the factors is that of the sums */
    if (g->error[0])
        return;
    cublasStatus_t rc =
        cublasGemmEx(g->blas->handle, m->transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N,
                     m->transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N, m->m, m->n, m->k,
                     wide ? (const void *)&one : &one_f, a, type_of(in), m->lda, b,
                     type_of(in), m->ldb, wide ? (const void *)&none : &none_f, c,
                     type_of(out), m->ldc, sums_of(g, in), CUBLAS_GEMM_DEFAULT);
    good(g, rc, "cublasGemmEx");
}
