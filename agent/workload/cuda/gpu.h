/* SPDX-License-Identifier: MIT */
/* gpu - one device: memory, two streams of work, matrix products, sums over the ranks.
 *
 * gpu_cuda.c, gpu_blas.c and gpu_nccl.c are this by CUDA; tests/lib/gpu_host.c is a device
 * made of memory, whose streams run as far out of step as their order allows.
 *
 * The first failure is kept, with the call and the place it was made from, and everything
 * after it does nothing: look with gpu_error where the host waits anyway. A stream's work is
 * done in the order in which it was given, and later than the call.
 */
#ifndef CUDA_GPU_H
#define CUDA_GPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct comm;
struct gemm;
struct gpu;

enum gpu_type { GPU_F64, GPU_F32, GPU_BF16 };
enum gpu_stream { GPU_COMPUTE, GPU_SUMS, GPU_STREAMS };

static inline size_t gpu_bytes(enum gpu_type t)
{
    return t == GPU_F64 ? 8 : t == GPU_F32 ? 4 : 2;
}

/* Is there a device at all? 0, or -1 and why not. */
int gpu_probe(char *why, size_t len);
/* The device of a rank: number local_rank, modulo those that this process sees. tf32: products
 * of GPU_F32 may round what they multiply. NULL and a text. */
struct gpu *gpu_open(int local_rank, bool tf32, char *why, size_t len);
void gpu_close(struct gpu *g); /* NULL is fine; ends the communicator as well */
/* Leave the other ranks at once, for one that failed. */
void gpu_abort(struct gpu *g);

const char *gpu_error(const struct gpu *g); /* NULL: none so far */
/* What is being done, for the text of an error: "the forward pass of layer 2". */
void gpu_place(struct gpu *g, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
const char *gpu_name(const struct gpu *g);
void gpu_memory(struct gpu *g, size_t *ret_free, size_t *ret_total);

/* Given back by gpu_close. NULL after a failure. */
void *gpu_alloc(struct gpu *g, size_t bytes);
void *gpu_alloc_host(struct gpu *g, size_t bytes); /* zeroed; copies do not block */

void gpu_copy(struct gpu *g, enum gpu_stream s, void *to, const void *from,
              size_t bytes);
void gpu_zero(struct gpu *g, enum gpu_stream s, void *to, size_t bytes);
/* What is given to `later` from now on waits for what `first` has been given so far. */
void gpu_order(struct gpu *g, enum gpu_stream first, enum gpu_stream later);
/* All done, or failed. Never blocks. */
bool gpu_is_idle(struct gpu *g);

/* On GPU_COMPUTE; see gemm.h. */
void gpu_gemm(struct gpu *g, const struct gemm *m, enum gpu_type in, enum gpu_type out,
              const void *a, const void *b, void *c);

/* Make the communicator of all ranks; each calls it. Blocks. */
void gpu_join(struct gpu *g, const struct comm *c);
/* On GPU_SUMS, in place. */
void gpu_sum(struct gpu *g, void *v, size_t n, enum gpu_type t);
void gpu_from_first(struct gpu *g, void *v, size_t n, enum gpu_type t);

/* What GPU_COMPUTE is given between these, and what waits for it, is kept and not done; each
 * gpu_replay does it once, with what memory then holds. GPU_COMPUTE must have waited for
 * all else at the end. */
void gpu_capture_begin(struct gpu *g);
void gpu_capture_end(struct gpu *g);
void gpu_replay(struct gpu *g);

#ifdef __cplusplus
}
#endif
#endif
