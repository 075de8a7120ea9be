/* SPDX-License-Identifier: MIT */
/* kernels - all arithmetic that is no matrix product. `real` is the type of sums, weights
 * and gradients, `factor` that of what is multiplied (the same, or BF16).
 *
 * kernels.cu is compiled by nvcc for the device and, unchanged, by a C++ compiler for the
 * host: there each kernel is a loop. No atomic operation: every number is added up by one
 * thread in one order, so that equal steps have equal bits.
 */
#ifndef CUDA_KERNELS_H
#define CUDA_KERNELS_H

#include "agent/workload/cuda/batch.h"
#include "agent/workload/cuda/gpu.h"

#ifdef __cplusplus
extern "C" {
#endif

struct kernels {
    struct gpu *gpu;
    enum gpu_type real, factor;
};

/* All on GPU_COMPUTE. batch: its pointers are the device's. */

/* x[rows][context * embed] (factor): the embeddings of each target's context. */
void kernel_gather(const struct kernels *k, const struct batch *batch, size_t embed,
                   const void *embedding, void *x);
/* x (factor) = tanh(y + bias), [rows][width] */
void kernel_squash(const struct kernels *k, size_t rows, size_t width, const void *y,
                   const void *bias, void *x);
/* dy (factor) = scale * gradient by the logits y + bias, [rows][256]; loss[rows] */
void kernel_softmax(const struct kernels *k, const struct batch *batch, const void *y,
                    const void *bias, double scale, void *dy, void *loss);
/* dy (factor) = dx (1 - x x), [n] */
void kernel_unsquash(const struct kernels *k, size_t n, const void *dx, const void *x,
                     void *dy);
/* sums[width] over the rows of v (factor: is_factor, else real); partial holds
 * kernel_partials(rows) * width. */
size_t kernel_partials(size_t rows);
void kernel_sum_rows(const struct kernels *k, bool is_factor, size_t rows, size_t width,
                     const void *v, void *partial, void *sums);
/* gradient[256][embed] from dx[rows][context * embed]; spread holds streams * places * embed,
 * partial batch->segments * embed. */
void kernel_scatter(const struct kernels *k, const struct batch *batch, size_t embed,
                    const void *dx, void *spread, void *partial, void *gradient);
/* tail[0] = scale * *loss, tail[1] = this rank's wish to stop */
void kernel_tail(const struct kernels *k, const struct batch_numbers *n, double scale,
                 const void *loss, void *tail);
/* copy (factor) = w */
void kernel_round(const struct kernels *k, size_t n, const void *w, void *copy);

struct kernel_adamw {
    double lr, weight_decay, beta1, beta2, epsilon;
};
/* copy: the weights as factors, NULL where those are the weights. */
void kernel_adamw(const struct kernels *k, const struct batch_numbers *numbers,
                  const struct kernel_adamw *a, size_t n, const void *grad, void *w,
                  void *m, void *v, void *copy);
void kernel_sgd(const struct kernels *k, double lr, double momentum, size_t n,
                const void *grad, void *w, void *m, void *copy);

#ifdef __cplusplus
}
#endif
#endif
