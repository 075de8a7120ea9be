/* SPDX-License-Identifier: MIT */
/* verify.c - are NCCL's sums those of the numbers that went in?
 *
 * The gradients of all ranks pass through comm, which knows neither NCCL nor the device, are
 * added up there in double precision, and compared with what NCCL made of them. Any order of
 * adding up is as good as any other, but none may be wrong by more than each of its
 * additions rounds: (ranks - 1) * epsilon * the sum of absolute values. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/workload/cuda/cuda_impl.h"

enum { NUMBERS = STAGE };

struct piece {
    double sum[NUMBERS], size[NUMBERS]; /* by the CPU; sizes: of absolute values */
    double nccl[NUMBERS];
};

static int check_piece(struct cuda *c, struct piece *p, size_t at, size_t n,
                       double *worst, struct why *why)
{
    bool wide = c->k.real == GPU_F64;
    double each = (c->comm->size - 1) * (wide ? DBL_EPSILON : (double)FLT_EPSILON);
    /* The CPU's own sum in doubles rounds as well. */
    double allowed = each + c->comm->size * DBL_EPSILON;
    if (cuda_read(c, c->local, at, p->sum, n, why) < 0 ||
        cuda_read(c, c->g, at, p->nccl, n, why) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        p->size[i] = fabs(p->sum[i]);
    comm_sum(c->comm, p->sum, n);
    comm_sum(c->comm, p->size, n);
    for (size_t i = 0; i < n; i++) {
        double off = fabs(p->nccl[i] - p->sum[i]);
        if (!(off <= allowed * p->size[i] + DBL_MIN))
            return why_set(why,
                           "--verify-sum: number %zu of the gradient is %.17g on the "
                           "GPU, but the ranks' add up to %.17g",
                           at + i, p->nccl[i], p->sum[i]);
        if (p->size[i] > 0 && off / p->size[i] > *worst)
            *worst = off / p->size[i];
    }
    return 0;
}

int verify_sums(struct cuda *c, uint64_t step, struct why *why)
{
    size_t n = c->n + TAIL;
    double worst = 0;
    int rc = 0;
    struct piece *p = malloc(sizeof *p);
    if (!p)
        return why_set(why, "out of memory for --verify-sum");
    for (size_t at = 0; rc == 0 && at < n; at += NUMBERS)
        rc = check_piece(c, p, at, n - at < NUMBERS ? n - at : NUMBERS, &worst, why);
    free(p);
    if (rc == 0 && c->comm->rank == 0)
        printf("step %llu: NCCL's sums of %zu numbers over %d ranks are those of the "
               "CPU, worst difference %.1e\n",
               (unsigned long long)step, n, c->comm->size, worst);
    return rc;
}
