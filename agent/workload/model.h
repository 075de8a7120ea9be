/* SPDX-License-Identifier: MIT */
/* model - the arithmetic of the reference trainer on the CPU: `context` bytes -> embedding
 * -> tanh layers -> softmax over 256 bytes. All in double, so that the order in which
 * ranks are summed shows only in the last bits. */
#ifndef WORKLOAD_MODEL_H
#define WORKLOAD_MODEL_H

#include <stddef.h>
#include <stdint.h>

struct model_shape {
    uint32_t context, embed, hidden, layers;
};

struct model {
    struct model_shape shape;
    size_t n;     /* weights */
    double *w;    /* embedding, then per layer matrix [in][out] and bias, then output */
    double *work; /* activations and their gradients of one target */
};

int model_create(struct model *m, const struct model_shape *shape); /* 0, -ENOMEM */
void model_destroy(struct model *m);
void model_init(struct model *m, uint64_t seed); /* same bits on every machine */
/* The loss (nats) of guessing `target` from the context bytes; adds `scale` times its
 * gradient to grad[n]. */
double model_learn(struct model *m, const uint8_t *context, uint8_t target,
                   double scale, double *grad);

#endif
