/* SPDX-License-Identifier: MIT */
#include <limits.h>

#include "agent/workload/cuda/gemm.h"

bool gemm_of(enum gemm_product p, size_t rows, size_t in, size_t out, struct gemm *ret)
{
    if (rows > INT_MAX || in > INT_MAX || out > INT_MAX)
        return false;
    int r = (int)rows, i = (int)in, o = (int)out;
    switch (p) {
    case GEMM_FORWARD: /* y' = w' x' */
        *ret = (struct gemm){.m = o, .n = r, .k = i, .lda = o, .ldb = i, .ldc = o};
        break;
    case GEMM_WEIGHTS: /* dw' = dy' x */
        *ret = (struct gemm){
            .transpose_b = true, .m = o, .n = i, .k = r, .lda = o, .ldb = i, .ldc = o};
        break;
    case GEMM_INPUTS: /* dx' = w dy' */
        *ret = (struct gemm){
            .transpose_a = true, .m = i, .n = r, .k = o, .lda = o, .ldb = o, .ldc = i};
        break;
    }
    return true;
}
