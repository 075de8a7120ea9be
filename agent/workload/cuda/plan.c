/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "agent/workload/cuda/cuda_impl.h"
#include "agent/workload/cuda/plan.h"

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

void plan_make(struct plan *p, const struct options *o, const struct batch *batch)
{
    struct model_shape s = {o->context, o->embed, o->hidden, o->layers};
    size_t widest = larger(s.hidden, MODEL_BYTES), rows, real;
    *p = (struct plan){.n = model_size(&s)};
    p->rows = rows = (size_t)batch->streams * batch->positions;
    p->real = real = o->precision == PRECISION_FP64 ? 8 : 4;
    p->factor = o->precision == PRECISION_BF16 ? 2 : real;
    p->weights = p->n * real;
    p->moments = p->weights * (o->optimizer == OPTIMIZER_ADAMW ? 2 : 1);
    p->gradients = (p->n + TAIL) * real;
    p->local = o->verify_every > 0 ? p->gradients : 0;
    p->copy = p->factor == real ? 0 : p->n * p->factor;
    p->in = rows * model_in(&s, 0) * p->factor;
    p->hidden = rows * s.hidden * p->factor;
    p->y = rows * larger(model_in(&s, 0), widest) * real;
    p->dy = rows * widest * p->factor;
    p->loss = (rows + 1) * real; /* and their sum */
    p->partial = kernel_partials(rows) * widest * real;
    p->spread = batch->streams * batch->places * s.embed * real;
    p->segments = batch->segments * s.embed * real;
    p->batch = batch->bytes;
    p->total = p->weights + p->moments + p->gradients + p->local + p->copy + p->in +
               s.layers * p->hidden + p->y + p->dy + p->loss + p->partial + p->spread +
               p->segments + p->batch;
}

void plan_text(const struct plan *p, char *text, size_t len)
{
    size_t model = p->weights + p->moments + p->gradients + p->local + p->copy;
    bool small = p->total < (size_t)1 << 30;
    double unit = small ? 1 << 20 : 1 << 30;
    snprintf(text, len,
             "%.2f %s (weights %.2f, optimiser %.2f, gradients %.2f, copies %.2f, "
             "the batch %.2f)",
             (double)p->total / unit, small ? "MiB" : "GiB", (double)p->weights / unit,
             (double)p->moments / unit, (double)p->gradients / unit,
             (double)(p->local + p->copy) / unit, (double)(p->total - model) / unit);
}
