/* SPDX-License-Identifier: MIT */
/* plan - how much memory of the device a training takes, by what. Pure. */
#ifndef CUDA_PLAN_H
#define CUDA_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/workload/cuda/batch.h"
#include "agent/workload/model.h"
#include "agent/workload/options.h"

/* Bytes, but for n and rows. */
struct plan {
    size_t n, rows;      /* weights; targets of a rank */
    size_t real, factor; /* one number */
    size_t weights;      /* each of w, m, v */
    size_t moments;      /* m and v, or m alone */
    size_t gradients;    /* g */
    size_t local, copy;  /* 0: not there */
    size_t in, hidden;   /* x[0]; x of a further layer */
    size_t y, dy, loss, partial, spread, segments;
    size_t batch;
    size_t total;
};

/* batch: as batch_plan made it. */
void plan_make(struct plan *p, const struct options *o, const struct batch *batch);
/* "18.20 GiB (weights 4.00, ...)", or all in MiB */
void plan_text(const struct plan *p, char *text, size_t len);

#endif
