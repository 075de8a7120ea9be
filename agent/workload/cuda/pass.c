/* SPDX-License-Identifier: MIT */
/* pass.c - a step on the device: forward, backward, sums beside it, update.
 *
 * Nothing here looks at a number or depends on which step it is, so that a step can be kept
 * as a graph. The gradient is finished from its end to its beginning; as buckets fill, the
 * sums stream takes them while the backward pass goes on. */
#include "agent/workload/cuda/cuda_impl.h"
#include "agent/workload/cuda/gemm.h"
#include "agent/workload/optim.h"

static size_t layer_at(const struct cuda *c, uint32_t layer)
{
    return model_at(&c->shape, layer);
}

/* A layer's matrix as factor, and its bias. */
static const void *matrix_of(const struct cuda *c, uint32_t layer)
{
    const char *all = c->copy ? c->copy : c->w;
    return all + layer_at(c, layer) * gpu_bytes(c->k.factor);
}

static size_t bias_at(const struct cuda *c, uint32_t layer)
{
    return layer_at(c, layer) +
           model_in(&c->shape, layer) * model_out(&c->shape, layer);
}

static char *real_at(const struct cuda *c, char *array, size_t at)
{
    return array + at * gpu_bytes(c->k.real);
}

static void product(struct cuda *c, enum gemm_product p, uint32_t layer, const void *a,
                    const void *b, void *out)
{
    struct gemm m;
    /* cuda_create has refused what does not fit. */
    if (gemm_of(p, c->rows, model_in(&c->shape, layer), model_out(&c->shape, layer),
                &m))
        gpu_gemm(c->gpu, &m, c->k.factor, c->k.real, a, b, out);
}

/* ---- forward */

static void forward(struct cuda *c)
{
    gpu_place(c->gpu, "the embedding");
    kernel_gather(&c->k, &c->device, c->shape.embed, c->w, c->x[0]);
    for (uint32_t l = 0; l <= c->shape.layers; l++) {
        const void *bias = real_at(c, c->w, bias_at(c, l));
        gpu_place(c->gpu, "the forward pass of layer %u", l);
        product(c, GEMM_FORWARD, l, matrix_of(c, l), c->x[l], c->y);
        if (l < c->shape.layers)
            kernel_squash(&c->k, c->rows, c->shape.hidden, c->y, bias, c->x[l + 1]);
        else
            kernel_softmax(&c->k, &c->device, c->y, bias, c->scale, c->dy, c->loss);
    }
    char *sum = real_at(c, c->loss, c->rows);
    kernel_sum_rows(&c->k, false, c->rows, 1, c->loss, c->partial, sum);
    kernel_tail(&c->k, c->device.numbers, c->scale, sum, real_at(c, c->g, c->n));
}

/* ---- backward */

/* The gradient is there from number `ready` on. */
static void sum_what_is_full(struct cuda *c, struct buckets *b, size_t ready)
{
    size_t at, n;
    while (buckets_take(b, ready, &at, &n)) {
        if (c->local)
            gpu_copy(c->gpu, GPU_COMPUTE, real_at(c, c->local, at),
                     real_at(c, c->g, at), n * gpu_bytes(c->k.real));
        gpu_order(c->gpu, GPU_COMPUTE, GPU_SUMS);
        gpu_sum(c->gpu, real_at(c, c->g, at), n, c->k.real);
    }
}

static void backward(struct cuda *c)
{
    size_t real = gpu_bytes(c->k.real);
    struct buckets b = {.end = c->n + TAIL,
                        .full = ((size_t)c->o->bucket_mb << 20) / real};
    for (uint32_t l = c->shape.layers + 1; l-- > 0;) {
        gpu_place(c->gpu, "the backward pass of layer %u", l);
        product(c, GEMM_WEIGHTS, l, c->dy, c->x[l], real_at(c, c->g, layer_at(c, l)));
        kernel_sum_rows(&c->k, true, c->rows, model_out(&c->shape, l), c->dy,
                        c->partial, real_at(c, c->g, bias_at(c, l)));
        sum_what_is_full(c, &b, layer_at(c, l));
        product(c, GEMM_INPUTS, l, matrix_of(c, l), c->dy, c->y);
        if (l > 0)
            kernel_unsquash(&c->k, c->rows * c->shape.hidden, c->y, c->x[l], c->dy);
    }
    gpu_place(c->gpu, "the gradient of the embedding");
    kernel_scatter(&c->k, &c->device, c->shape.embed, c->y, c->spread, c->segments,
                   c->g);
    sum_what_is_full(c, &b, 0);
}

/* ---- update */

static void update(struct cuda *c)
{
    const struct options *o = c->o;
    gpu_place(c->gpu, "the update of the weights");
    if (o->optimizer == OPTIMIZER_SGD) {
        kernel_sgd(&c->k, o->lr, o->momentum, c->n, c->g, c->w, c->m, c->copy);
        return;
    }
    struct kernel_adamw a = {.lr = o->lr,
                             .weight_decay = o->weight_decay,
                             .beta1 = optim_adamw.beta1,
                             .beta2 = optim_adamw.beta2,
                             .epsilon = optim_adamw.epsilon};
    kernel_adamw(&c->k, c->device.numbers, &a, c->n, c->g, c->w, c->m, c->v, c->copy);
}

void pass_enqueue(struct cuda *c)
{
    const void *step = &c->device.numbers->step;
    gpu_place(c->gpu, "the copy of the batch");
    gpu_copy(c->gpu, GPU_COMPUTE, c->device.block, c->host.block, c->host.bytes);
    forward(c);
    backward(c);
    gpu_copy(c->gpu, GPU_COMPUTE, &c->seen->worked, step, sizeof c->seen->worked);
    gpu_copy(c->gpu, GPU_SUMS, &c->seen->summed, step, sizeof c->seen->summed);
    gpu_order(c->gpu, GPU_SUMS, GPU_COMPUTE);
    update(c);
    gpu_copy(c->gpu, GPU_COMPUTE, c->seen->tail, real_at(c, c->g, c->n),
             TAIL * gpu_bytes(c->k.real));
    gpu_place(c->gpu, "a step");
}
