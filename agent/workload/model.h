/* SPDX-License-Identifier: MIT */
/* model - the arithmetic of the reference trainer on the CPU: `context` bytes -> embedding
 * -> tanh layers -> softmax over 256 bytes. All in double, so that the order in which
 * ranks are summed shows only in the last bits. */
#ifndef WORKLOAD_MODEL_H
#define WORKLOAD_MODEL_H

#include <stddef.h>
#include <stdint.h>

enum { MODEL_BYTES = 256 };

struct model_shape {
    uint32_t context, embed, hidden, layers;
};

struct model {
    struct model_shape shape;
    size_t n;     /* weights */
    double *w;    /* embedding, then per layer matrix [in][out] and bias, then output */
    double *work; /* activations and their gradients of one target */
};

/* What a layer takes and gives; layer s->layers makes the logits. Sizes in numbers. */
size_t model_in(const struct model_shape *s, uint32_t layer);
size_t model_out(const struct model_shape *s, uint32_t layer);
/* Where its matrix begins among the weights; its bias lies behind that. */
size_t model_at(const struct model_shape *s, uint32_t layer);
size_t model_size(const struct model_shape *s);
/* First weights [at, at + n): the same bits on every machine. */
void model_first(const struct model_shape *s, uint64_t seed, size_t at, double *w,
                 size_t n);

int model_create(struct model *m, const struct model_shape *shape); /* 0, -ENOMEM */
void model_destroy(struct model *m);
void model_init(struct model *m, uint64_t seed); /* to the first weights */
/* The loss (nats) of guessing `target` from the context bytes; adds `scale` times its
 * gradient to grad[n]. */
double model_learn(struct model *m, const uint8_t *context, uint8_t target,
                   double scale, double *grad);

#endif
