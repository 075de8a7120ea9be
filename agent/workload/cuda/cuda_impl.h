/* SPDX-License-Identifier: MIT */
/* cuda_impl - one rank's training on a GPU: what backend_cuda.c keeps, pass.c works with and
 * verify.c looks at. The weights lie as in model.h; so do their gradients and what the
 * optimiser keeps. */
#ifndef CUDA_CUDA_IMPL_H
#define CUDA_CUDA_IMPL_H

#include "agent/workload/backend.h"
#include "agent/workload/cuda/batch.h"
#include "agent/workload/cuda/buckets.h"
#include "agent/workload/cuda/gpu.h"
#include "agent/workload/cuda/kernels.h"
#include "agent/workload/model.h"

/* Behind the gradient in the vector that is summed. */
enum { TAIL_LOSS, TAIL_STOP, TAIL };

enum { MOST_HIDDEN = 64, STAGE = 1 << 16 /* numbers that pass to the host at once */ };

/* Memory that both see. What the device writes there during a step. */
struct seen {
    uint64_t worked, summed; /* the step of which that is done */
    double tail[TAIL];       /* real numbers: of half the width unless FP64 */
};

struct cuda {
    const struct options *o;
    const struct comm *comm;
    struct gpu *gpu;
    struct model_shape shape;
    size_t n, rows; /* weights; targets of this rank and step */
    double scale;   /* of a target's loss */
    struct kernels k;
    struct batch host, device;
    struct seen *seen;
    char *stage; /* STAGE real numbers, seen by both */

    char *w, *m, *v; /* real; v: NULL for SGD */
    char *g;         /* real, n + TAIL */
    char *local;     /* the same before the sum; NULL unless sums are verified */
    char *copy;      /* the weights as factors; NULL where real numbers are factors */

    char *x[MOST_HIDDEN + 1]; /* factors: what layer l takes, rows * model_in */
    char *y;                  /* real: a product, rows * the widest layer */
    char *dy;                 /* factors: gradient by y, rows * the widest output */
    char *loss;               /* real, rows */
    char *partial, *spread, *segments;

    uint64_t steps; /* done by this process */
    bool captured;
};

/* All of a step's work, given to the device; the batch lies in c->host. */
void pass_enqueue(struct cuda *c);

/* Until *flag is `value`; NULL: until all is done. 0, or -1 and why. */
int cuda_wait(struct cuda *c, const uint64_t *flag, uint64_t value, struct why *why);
/* n <= STAGE real numbers from number `at` of an array on. 0, or -1 and why. */
int cuda_read(struct cuda *c, const char *array, size_t at, double *to, size_t n,
              struct why *why);

/* Compare the sums in c->g with those of c->local over the ranks, made by the CPU. 0, or -1
 * and why. Collective. */
int verify_sums(struct cuda *c, uint64_t step, struct why *why);

#endif
