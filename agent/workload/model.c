/* SPDX-License-Identifier: MIT */
/* model.c - forward and backward of one target at a time. Matrices are stored [in][out],
 * so that both directions run along rows: out += x[i] * row, dx[i] = row . dout and
 * drow += x[i] * dout. */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "agent/workload/model.h"

enum { BYTES = MODEL_BYTES };

size_t model_in(const struct model_shape *s, uint32_t layer)
{
    return layer == 0 ? (size_t)s->context * s->embed : s->hidden;
}

size_t model_out(const struct model_shape *s, uint32_t layer)
{
    return layer == s->layers ? BYTES : s->hidden;
}

static size_t layer_size(const struct model_shape *s, uint32_t layer)
{
    return (model_in(s, layer) + 1) * model_out(s, layer); /* and the bias */
}

size_t model_at(const struct model_shape *s, uint32_t layer)
{
    size_t at = (size_t)BYTES * s->embed;
    for (uint32_t l = 0; l < layer; l++)
        at += layer_size(s, l);
    return at;
}

size_t model_size(const struct model_shape *s)
{
    return model_at(s, s->layers + 1);
}

int model_create(struct model *m, const struct model_shape *shape)
{
    const struct model_shape *s = shape;
    size_t activations = model_in(s, 0) + (size_t)s->layers * s->hidden + BYTES;
    *m = (struct model){.shape = *s, .n = model_size(s)};
    m->w = calloc(m->n, sizeof *m->w);
    m->work = calloc(2 * activations, sizeof *m->work);
    if (!m->w || !m->work) {
        model_destroy(m);
        return -ENOMEM;
    }
    return 0;
}

void model_destroy(struct model *m)
{
    free(m->w);
    free(m->work);
    *m = (struct model){0};
}

/* Number k of splitmix64, so that any part of the weights can be made alone; uniform in
 * [-a, a). No libm, whose last bits differ between systems. */
static double random_in(uint64_t seed, uint64_t k, double a)
{
    uint64_t z = seed + (k + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return a * ((double)(z >> 11) * 0x1p-52 - 1.0);
}

struct first {
    uint64_t seed, k; /* k: of the next matrix's first number */
    size_t here;      /* where that is among the weights */
    size_t at, n;     /* the part that is wanted */
    double *w;
};

/* The wanted part of the next n_matrix numbers from [-a, a) and of n_zero zeros. */
static void first_fill(struct first *f, size_t n_matrix, double a, size_t n_zero)
{
    size_t end = f->here + n_matrix + n_zero, stop = f->at + f->n;
    size_t i = f->here > f->at ? f->here : f->at;
    for (; i < end && i < stop; i++)
        f->w[i - f->at] =
            i - f->here < n_matrix ? random_in(f->seed, f->k + (i - f->here), a) : 0;
    f->k += n_matrix;
    f->here = end;
}

void model_first(const struct model_shape *s, uint64_t seed, size_t at, double *w,
                 size_t n)
{
    struct first f = {.seed = seed, .at = at, .n = n, .w = w};
    first_fill(&f, (size_t)BYTES * s->embed, 0.5, 0);
    for (uint32_t l = 0; l <= s->layers; l++) {
        size_t in = model_in(s, l), out = model_out(s, l);
        double a = sqrt(3.0 / (double)in); /* sqrt is exact everywhere: IEEE 754 */
        first_fill(&f, in * out, l == s->layers ? 0.1 * a : a, out);
    }
}

void model_init(struct model *m, uint64_t seed)
{
    model_first(&m->shape, seed, 0, m->w, m->n);
}

/* ---- rows: what the time goes into */

static void row_add(double *restrict to, const double *restrict from, double by,
                    size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] += by * from[i];
}

/* Four sums side by side: one would wait for each addition, and the compiler may not
 * reorder it by itself. */
static double row_dot(const double *restrict a, const double *restrict b, size_t n)
{
    double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        s0 += a[i] * b[i];
        s1 += a[i + 1] * b[i + 1];
        s2 += a[i + 2] * b[i + 2];
        s3 += a[i + 3] * b[i + 3];
    }
    for (; i < n; i++)
        s0 += a[i] * b[i];
    return (s0 + s1) + (s2 + s3);
}

static void layer_forward(const double *w, const double *x, size_t in, double *y,
                          size_t out, bool squash)
{
    memcpy(y, w + in * out, out * sizeof *y);
    for (size_t i = 0; i < in; i++)
        row_add(y, w + i * out, x[i], out);
    for (size_t o = 0; squash && o < out; o++)
        y[o] = tanh(y[o]);
}

/* dy: by the sums before the squashing. dx is set. */
static void layer_backward(const double *w, double *g, const double *x, size_t in,
                           double *dx, const double *dy, size_t out)
{
    for (size_t i = 0; i < in; i++) {
        dx[i] = row_dot(w + i * out, dy, out);
        row_add(g + i * out, dy, x[i], out);
    }
    row_add(g + in * out, dy, 1.0, out);
}

/* Logits in y become the gradient of the loss by them, times scale; returns the loss. */
static double softmax_loss(double *y, uint8_t target, double scale)
{
    double top = y[0], sum = 0;
    for (int i = 1; i < BYTES; i++)
        top = y[i] > top ? y[i] : top;
    double hit = y[target] - top;
    for (int i = 0; i < BYTES; i++)
        sum += y[i] = exp(y[i] - top);
    for (int i = 0; i < BYTES; i++)
        y[i] *= scale / sum;
    y[target] -= scale;
    return log(sum) - hit;
}

static double forward(struct model *m, const uint8_t *context, uint8_t target,
                      double scale)
{
    const struct model_shape *s = &m->shape;
    const double *w = m->w + (size_t)BYTES * s->embed;
    double *x = m->work;
    for (uint32_t c = 0; c < s->context; c++)
        memcpy(x + (size_t)c * s->embed, m->w + (size_t)context[c] * s->embed,
               s->embed * sizeof *x);
    for (uint32_t l = 0; l <= s->layers; l++) {
        size_t in = model_in(s, l);
        layer_forward(w, x, in, x + in, model_out(s, l), l < s->layers);
        w += layer_size(s, l);
        x += in;
    }
    return softmax_loss(x, target, scale);
}

double model_learn(struct model *m, const uint8_t *context, uint8_t target,
                   double scale, double *grad)
{
    const struct model_shape *s = &m->shape;
    double loss = forward(m, context, target, scale);
    size_t at = m->n, activations = model_in(s, 0) + (size_t)s->layers * s->hidden;
    double *x = m->work + activations; /* the gradient by the logits */
    double *dx = x + BYTES;            /* the second half: gradients by inputs */
    const double *dy = x;
    for (uint32_t l = s->layers + 1; l-- > 0;) {
        size_t in = model_in(s, l), out = model_out(s, l);
        at -= layer_size(s, l);
        x -= in;
        layer_backward(m->w + at, grad + at, x, in, dx, dy, out);
        for (size_t i = 0; l > 0 && i < in; i++)
            dx[i] *= 1.0 - x[i] * x[i];
        dy = dx;
        dx += in;
    }
    for (uint32_t c = 0; c < s->context; c++)
        row_add(grad + (size_t)context[c] * s->embed, dy + (size_t)c * s->embed, 1.0,
                s->embed);
    return loss;
}
