/* SPDX-License-Identifier: MIT */
/* optim - turns a gradient into new weights; its own memory is part of a checkpoint. */
#ifndef WORKLOAD_OPTIM_H
#define WORKLOAD_OPTIM_H

#include <stddef.h>

#include "agent/workload/options.h"

struct optim_adamw {
    double beta1, beta2, epsilon;
};
extern const struct optim_adamw optim_adamw;
/* What AdamW's means of a step (from 1) are multiplied with, for they began at zero. */
void optim_fixes(uint64_t step, double *ret_fix1, double *ret_fix2);

struct optim {
    enum optimizer kind;
    double lr, weight_decay, momentum;
    size_t n;
    double *m; /* mean gradient, or velocity */
    double *v; /* adamw: mean squared gradient; sgd: NULL */
};

int optim_create(struct optim *p, const struct options *o, size_t n); /* 0, -ENOMEM */
void optim_destroy(struct optim *p);
/* step: counted from 1. */
void optim_step(struct optim *p, uint64_t step, double *w, const double *grad);

#endif
