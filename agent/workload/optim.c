/* SPDX-License-Identifier: MIT */
/* optim.c - AdamW (decoupled decay) and SGD with momentum. Every rank does the same update
 * on the same sums, so weights need not be sent; only operations that IEEE 754 fixes are
 * used, so that they stay equal between hosts with other libraries. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "agent/workload/optim.h"

const struct optim_adamw optim_adamw = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};

int optim_create(struct optim *p, const struct options *o, size_t n)
{
    *p = (struct optim){.kind = o->optimizer,
                        .lr = o->lr,
                        .weight_decay = o->weight_decay,
                        .momentum = o->momentum,
                        .n = n};
    p->m = calloc(n, sizeof *p->m);
    if (p->kind == OPTIMIZER_ADAMW)
        p->v = calloc(n, sizeof *p->v);
    if (!p->m || (p->kind == OPTIMIZER_ADAMW && !p->v)) {
        optim_destroy(p);
        return -ENOMEM;
    }
    return 0;
}

void optim_destroy(struct optim *p)
{
    free(p->m);
    free(p->v);
    *p = (struct optim){0};
}

static double power(double base, uint64_t n)
{
    double r = 1;
    for (; n > 0; n >>= 1, base *= base)
        if (n & 1)
            r *= base;
    return r;
}

void optim_fixes(uint64_t step, double *ret_fix1, double *ret_fix2)
{
    *ret_fix1 = 1 / (1 - power(optim_adamw.beta1, step));
    *ret_fix2 = 1 / (1 - power(optim_adamw.beta2, step));
}

static void adamw(struct optim *p, uint64_t step, double *restrict w,
                  const double *restrict grad)
{
    const double beta1 = optim_adamw.beta1, beta2 = optim_adamw.beta2;
    double fix1, fix2;
    optim_fixes(step, &fix1, &fix2);
    for (size_t i = 0; i < p->n; i++) {
        double g = grad[i];
        p->m[i] = beta1 * p->m[i] + (1 - beta1) * g;
        p->v[i] = beta2 * p->v[i] + (1 - beta2) * g * g;
        w[i] -= p->lr * (p->m[i] * fix1 / (sqrt(p->v[i] * fix2) + optim_adamw.epsilon) +
                         p->weight_decay * w[i]);
    }
}

static void sgd(struct optim *p, double *restrict w, const double *restrict grad)
{
    for (size_t i = 0; i < p->n; i++) {
        p->m[i] = p->momentum * p->m[i] + grad[i];
        w[i] -= p->lr * p->m[i];
    }
}

void optim_step(struct optim *p, uint64_t step, double *w, const double *grad)
{
    if (p->kind == OPTIMIZER_ADAMW)
        adamw(p, step, w, grad);
    else
        sgd(p, w, grad);
}
