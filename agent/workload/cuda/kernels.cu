/* SPDX-License-Identifier: MIT */
/* kernels.cu - see kernels.h. Each kernel is a function object whose call is the work of one
 * thread; R is the type of sums, F that of factors. */
#include <math.h>
#include <string.h>

#include "agent/workload/cuda/kernels.h"
#include "agent/workload/cuda/launch.h"

namespace
{
enum { BYTES = BATCH_BYTES, CHUNK = 256 };

/* ---- numbers */

struct Bf16 {
    uint16_t bits;
};

ON_BOTH inline float widen(Bf16 v)
{
    uint32_t bits = (uint32_t)v.bits << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

ON_BOTH inline float widen(float v)
{
    return v;
}

ON_BOTH inline double widen(double v)
{
    return v;
}

ON_BOTH inline void store(Bf16 *to, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
    /* To the nearest, ties to even; what overflows becomes infinite. */
    to->bits = nan ? 0x7fffu : (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

ON_BOTH inline void store(float *to, float v)
{
    *to = v;
}

ON_BOTH inline void store(double *to, double v)
{
    *to = v;
}

/* Calls body with a value of either type. */
template <class Body> void with_types(const struct kernels *k, Body body)
{
    if (k->real == GPU_F64)
        body(double(), double());
    else if (k->factor == GPU_F32)
        body(float(), float());
    else
        body(float(), Bf16());
}

/* ---- forward */

template <class R, class F> struct Gather {
    const uint8_t *windows;
    size_t window, positions, context, embed;
    const R *embedding;
    F *x;
    ON_BOTH void operator()(size_t i) const
    {
        size_t e = i % embed, c = i / embed % context, row = i / embed / context;
        size_t byte = windows[row / positions * window + row % positions + c];
        store(x + i, embedding[byte * embed + e]);
    }
};

template <class R, class F> struct Squash {
    size_t width;
    const R *y, *bias;
    F *x;
    ON_BOTH void operator()(size_t i) const
    {
        store(x + i, (R)tanh(y[i] + bias[i % width]));
    }
};

template <class R, class F> struct Softmax {
    const uint8_t *windows;
    size_t window, positions, context;
    const R *y, *bias;
    R scale;
    F *dy;
    R *loss;
    ON_BOTH void operator()(size_t row) const
    {
        size_t at = row / positions * window + row % positions + context;
        int target = windows[at];
        const R *v = y + row * BYTES;
        R top = v[0] + bias[0], sum = 0;
        for (int i = 1; i < BYTES; i++)
            top = v[i] + bias[i] > top ? v[i] + bias[i] : top;
        for (int i = 0; i < BYTES; i++)
            sum += exp(v[i] + bias[i] - top);
        for (int i = 0; i < BYTES; i++) {
            R p = exp(v[i] + bias[i] - top) * (scale / sum);
            store(dy + row * BYTES + i, i == target ? p - scale : p);
        }
        loss[row] = log(sum) - (v[target] + bias[target] - top);
    }
};

/* ---- backward */

template <class R, class F> struct Unsquash {
    const R *dx;
    const F *x;
    F *dy;
    ON_BOTH void operator()(size_t i) const
    {
        R t = widen(x[i]);
        store(dy + i, dx[i] * (1 - t * t));
    }
};

template <class R, class V> struct SumRows {
    size_t rows, width, chunk;
    const V *v;
    R *sums; /* a row for each chunk of rows */
    ON_BOTH void operator()(size_t i) const
    {
        size_t from = i / width * chunk, to = from + chunk < rows ? from + chunk : rows;
        R sum = 0;
        for (size_t r = from; r < to; r++)
            sum += widen(v[r * width + i % width]);
        sums[i] = sum;
    }
};

/* What a place of a window gets from all targets in whose context it stands. */
template <class R> struct Spread {
    size_t places, positions, context, embed;
    const R *dx;
    R *spread;
    ON_BOTH void operator()(size_t i) const
    {
        size_t e = i % embed, q = i / embed % places, stream = i / embed / places;
        size_t first = q < positions ? 0 : q - positions + 1;
        R sum = 0;
        for (size_t c = first; c < context && c <= q; c++)
            sum += dx[((stream * positions + q - c) * context + c) * embed + e];
        spread[i] = sum;
    }
};

template <class R> struct Segments {
    const uint32_t *segment, *order;
    size_t embed;
    const R *spread;
    R *partial;
    ON_BOTH void operator()(size_t i) const
    {
        size_t s = i / embed;
        R sum = 0;
        for (uint32_t at = segment[s]; at < segment[s + 1]; at++)
            sum += spread[order[at] * embed + i % embed];
        partial[i] = sum;
    }
};

template <class R> struct Bytes {
    const uint32_t *byte_segments;
    size_t embed;
    const R *partial;
    R *gradient;
    ON_BOTH void operator()(size_t i) const
    {
        size_t byte = i / embed;
        R sum = 0;
        for (uint32_t s = byte_segments[byte]; s < byte_segments[byte + 1]; s++)
            sum += partial[s * embed + i % embed];
        gradient[i] = sum;
    }
};

template <class R> struct Tail {
    const struct batch_numbers *numbers;
    R scale;
    const R *loss;
    R *tail;
    ON_BOTH void operator()(size_t i) const
    {
        tail[i] = i == 0 ? *loss * scale : (R)numbers->stop;
    }
};

/* ---- the weights */

template <class R, class F> struct Round {
    const R *w;
    F *copy;
    ON_BOTH void operator()(size_t i) const
    {
        store(copy + i, w[i]);
    }
};

template <class R, class F> struct AdamW {
    const struct batch_numbers *numbers;
    R lr, weight_decay, beta1, beta2, rest1, rest2, epsilon;
    const R *grad;
    R *w, *m, *v;
    F *copy;
    ON_BOTH void operator()(size_t i) const
    {
        R g = grad[i], fix1 = (R)numbers->fix1, fix2 = (R)numbers->fix2;
        R mean = beta1 * m[i] + rest1 * g, square = beta2 * v[i] + rest2 * g * g;
        R now = w[i] - lr * (mean * fix1 / (sqrt(square * fix2) + epsilon) +
                             weight_decay * w[i]);
        m[i] = mean;
        v[i] = square;
        w[i] = now;
        if (copy)
            store(copy + i, now);
    }
};

template <class R, class F> struct Sgd {
    R lr, momentum;
    const R *grad;
    R *w, *m;
    F *copy;
    ON_BOTH void operator()(size_t i) const
    {
        R velocity = momentum * m[i] + grad[i], now = w[i] - lr * velocity;
        m[i] = velocity;
        w[i] = now;
        if (copy)
            store(copy + i, now);
    }
};

size_t rows_of(const struct batch *b)
{
    return (size_t)b->streams * b->positions;
}

template <class R, class V>
void sum_rows(const struct kernels *k, size_t rows, size_t width, const void *v,
              void *partial, void *sums)
{
    size_t chunks = kernel_partials(rows);
    launch(k->gpu, chunks * width,
           SumRows<R, V>{rows, width, CHUNK, (const V *)v, (R *)partial});
    launch(k->gpu, width,
           SumRows<R, R>{chunks, width, chunks, (const R *)partial, (R *)sums});
}
} // namespace

/* ---- for C */

void kernel_gather(const struct kernels *k, const struct batch *b, size_t embed,
                   const void *embedding, void *x)
{
    with_types(k, [&](auto r, auto f) {
        typedef decltype(r) R;
        typedef decltype(f) F;
        launch(k->gpu, rows_of(b) * b->context * embed,
               Gather<R, F>{b->windows, b->places + 1, b->positions, b->context, embed,
                            (const R *)embedding, (F *)x});
    });
}

void kernel_squash(const struct kernels *k, size_t rows, size_t width, const void *y,
                   const void *bias, void *x)
{
    with_types(k, [&](auto r, auto f) {
        typedef decltype(r) R;
        typedef decltype(f) F;
        launch(k->gpu, rows * width,
               Squash<R, F>{width, (const R *)y, (const R *)bias, (F *)x});
    });
}

void kernel_softmax(const struct kernels *k, const struct batch *b, const void *y,
                    const void *bias, double scale, void *dy, void *loss)
{
    with_types(k, [&](auto r, auto f) {
        typedef decltype(r) R;
        typedef decltype(f) F;
        launch(k->gpu, rows_of(b),
               Softmax<R, F>{b->windows, b->places + 1, b->positions, b->context,
                             (const R *)y, (const R *)bias, (R)scale, (F *)dy,
                             (R *)loss});
    });
}

void kernel_unsquash(const struct kernels *k, size_t n, const void *dx, const void *x,
                     void *dy)
{
    with_types(k, [&](auto r, auto f) {
        typedef decltype(r) R;
        typedef decltype(f) F;
        launch(k->gpu, n, Unsquash<R, F>{(const R *)dx, (const F *)x, (F *)dy});
    });
}

size_t kernel_partials(size_t rows)
{
    return (rows + CHUNK - 1) / CHUNK;
}

void kernel_sum_rows(const struct kernels *k, bool is_factor, size_t rows, size_t width,
                     const void *v, void *partial, void *sums)
{
    with_types(k, [&](auto r, auto f) {
        typedef decltype(r) R;
        typedef decltype(f) F;
        if (is_factor)
            sum_rows<R, F>(k, rows, width, v, partial, sums);
        else
            sum_rows<R, R>(k, rows, width, v, partial, sums);
    });
}

void kernel_scatter(const struct kernels *k, const struct batch *b, size_t embed,
                    const void *dx, void *spread, void *partial, void *gradient)
{
    with_types(k, [&](auto r, auto) {
        typedef decltype(r) R;
        launch(k->gpu, b->streams * b->places * embed,
               Spread<R>{b->places, b->positions, b->context, embed, (const R *)dx,
                         (R *)spread});
        launch(k->gpu, b->segments * embed,
               Segments<R>{b->segment, b->order, embed, (const R *)spread,
                           (R *)partial});
        launch(k->gpu, BYTES * embed,
               Bytes<R>{b->byte_segments, embed, (const R *)partial, (R *)gradient});
    });
}

void kernel_tail(const struct kernels *k, const struct batch_numbers *n, double scale,
                 const void *loss, void *tail)
{
    with_types(k, [&](auto r, auto) {
        typedef decltype(r) R;
        launch(k->gpu, 2, Tail<R>{n, (R)scale, (const R *)loss, (R *)tail});
    });
}

void kernel_round(const struct kernels *k, size_t n, const void *w, void *copy)
{
    with_types(k, [&](auto r, auto f) {
        typedef decltype(r) R;
        typedef decltype(f) F;
        launch(k->gpu, n, Round<R, F>{(const R *)w, (F *)copy});
    });
}

void kernel_adamw(const struct kernels *k, const struct batch_numbers *numbers,
                  const struct kernel_adamw *a, size_t n, const void *grad, void *w,
                  void *m, void *v, void *copy)
{
    with_types(k, [&](auto r, auto f) {
        typedef decltype(r) R;
        typedef decltype(f) F;
        launch(k->gpu, n,
               AdamW<R, F>{numbers, (R)a->lr, (R)a->weight_decay, (R)a->beta1,
                           (R)a->beta2, (R)(1 - a->beta1), (R)(1 - a->beta2),
                           (R)a->epsilon, (const R *)grad, (R *)w, (R *)m, (R *)v,
                           (F *)copy});
    });
}

void kernel_sgd(const struct kernels *k, double lr, double momentum, size_t n,
                const void *grad, void *w, void *m, void *copy)
{
    with_types(k, [&](auto r, auto f) {
        typedef decltype(r) R;
        typedef decltype(f) F;
        launch(k->gpu, n,
               Sgd<R, F>{(R)lr, (R)momentum, (const R *)grad, (R *)w, (R *)m,
                         (F *)copy});
    });
}
