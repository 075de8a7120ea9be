/* SPDX-License-Identifier: MIT */
/* gemm - the three matrix products of a layer as parameters of cublasGemmEx.
 *
 * Our matrices are stored by rows, those of cuBLAS by columns: what lies in memory as X[r][c]
 * is to cuBLAS the transpose of X with leading dimension c. So each product is asked for as
 * its transpose, with the factors exchanged, and nothing is moved. Pure.
 */
#ifndef CUDA_GEMM_H
#define CUDA_GEMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum gemm_product {
    GEMM_FORWARD, /* y[rows][out] = x[rows][in] w[in][out]:   a is w,  b is x,  c is y */
    GEMM_WEIGHTS, /* dw[in][out] = x' dy[rows][out]:          a is dy, b is x,  c is dw */
    GEMM_INPUTS, /* dx[rows][in] = dy w':                    a is w,  b is dy, c is dx */
};

/* c[m x n] = op(a)[m x k] op(b)[k x n], all by columns. */
struct gemm {
    bool transpose_a, transpose_b;
    int m, n, k, lda, ldb, ldc;
};

/* False when a size is more than an int holds. */
bool gemm_of(enum gemm_product p, size_t rows, size_t in, size_t out, struct gemm *ret);

#endif
