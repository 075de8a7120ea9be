/* SPDX-License-Identifier: MIT */
/* Parts of the trainer's back end for CUDA, each by itself: how products are asked for, a
 * batch is sorted, gradients are cut, numbers are rounded, memory and speed are counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "agent/workload/backend.h"
#include "agent/workload/cuda/batch.h"
#include "agent/workload/cuda/buckets.h"
#include "agent/workload/cuda/gemm.h"
#include "agent/workload/cuda/gpu.h"
#include "agent/workload/cuda/kernels.h"
#include "agent/workload/cuda/plan.h"
#include "agent/workload/cuda/speed.h"
#include "proto/client/aolani.h"

/* The back end marks its waits; nobody waits here. */
void aolani_wait_begin(void)
{
}
void aolani_wait_end(void)
{
}

static double at(const double *m, bool transposed, size_t r, size_t c, size_t rows,
                 size_t columns)
{
    return transposed ? m[c * rows + r] : m[r * columns + c];
}

/* Products of matrices by rows, through what a library for matrices by columns is asked. */
static void test_products(void **state)
{
    (void)state;
    static const struct {
        enum gemm_product p;
        size_t rows, in, out;
    } cases[] = {
        {GEMM_FORWARD, 3, 4, 5}, {GEMM_FORWARD, 1, 7, 2}, {GEMM_WEIGHTS, 3, 4, 5},
        {GEMM_WEIGHTS, 6, 1, 2}, {GEMM_INPUTS, 3, 4, 5},  {GEMM_INPUTS, 2, 9, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t rows = cases[i].rows, in = cases[i].in, out = cases[i].out;
        enum gemm_product p = cases[i].p;
        char why[64];
        struct gemm m;
        struct gpu *g = gpu_open(0, false, why, sizeof why);
        double *host = gpu_alloc_host(g, 1000 * sizeof *host);
        double *dev = gpu_alloc(g, 1000 * sizeof *dev);
        /* first and second factor as they stand in gemm.h: a, b */
        size_t r = p == GEMM_WEIGHTS ? in : rows, c = p == GEMM_INPUTS ? in : out;
        size_t k = p == GEMM_FORWARD ? in : p == GEMM_WEIGHTS ? rows : out;
        for (size_t j = 0; j < 200; j++)
            host[j] = (double)((j * 37) % 23) - 11;
        gpu_copy(g, GPU_COMPUTE, dev, host, 1000 * sizeof *host);
        assert_true(gemm_of(p, rows, in, out, &m));
        gpu_gemm(g, &m, GPU_F64, GPU_F64, dev, dev + 100, dev + 200);
        gpu_copy(g, GPU_COMPUTE, host + 200, dev + 200, r * c * sizeof *host);
        while (!gpu_is_idle(g))
            ;
        assert_null(gpu_error(g));
        for (size_t y = 0; y < r; y++)
            for (size_t x = 0; x < c; x++) {
                double sum = 0;
                for (size_t l = 0; l < k; l++) /* left times right, as in mathematics */
                    sum += at(host + 100, p == GEMM_WEIGHTS, y, l, r, k) *
                           at(host, p == GEMM_INPUTS, l, x, k, c);
                assert_true(sum == host[200 + y * c + x]);
            }
        gpu_close(g);
    }
    struct gemm m;
    assert_false(gemm_of(GEMM_FORWARD, (size_t)1 << 31, 1, 1, &m));
    assert_true(gemm_of(GEMM_FORWARD, ((size_t)1 << 31) - 1, 4 << 20, 1, &m));
}

static void test_batch_is_sorted_by_byte(void **state)
{
    (void)state;
    static const struct {
        uint32_t streams, context, positions;
        const char *fill; /* NULL: mixed */
    } cases[] = {{1, 1, 1, NULL},   {3, 4, 5, NULL}, {2, 200, 300, NULL},
                 {2, 100, 29, "a"}, {1, 64, 1, "a"}, {1, 65, 1, "\xff"},
                 {4, 3, 1000, NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct batch q;
        assert_true(
            batch_plan(&q, cases[i].streams, cases[i].context, cases[i].positions));
        void *block = calloc(1, q.bytes);
        batch_lay(&q, block);
        size_t width = q.places + 1, all = q.places * q.streams;
        assert_true(q.windows + q.streams * width <= (uint8_t *)block + q.bytes);
        for (uint32_t s = 0; s < q.streams; s++) {
            uint8_t w[1100];
            for (size_t j = 0; j < width; j++) /* one byte is frequent */
                w[j] = j % 4 ? (uint8_t)(89 * j + 31 * s + (j >> 5)) : 'e';
            if (cases[i].fill)
                memset(w, cases[i].fill[0], width);
            batch_put(&q, s, w);
            assert_memory_equal(q.windows + s * width, w, width);
        }
        batch_sort(&q);
        uint8_t *seen = calloc(all, 1);
        size_t places = 0;
        for (unsigned byte = 0; byte < 256; byte++)
            for (uint32_t s = q.byte_segments[byte]; s < q.byte_segments[byte + 1];
                 s++) {
                size_t n = q.segment[s + 1] - q.segment[s];
                assert_true(n > 0 && n <= BATCH_SEGMENT);
                for (size_t j = q.segment[s]; j < q.segment[s + 1]; j++) {
                    size_t o = q.order[j];
                    assert_true(o < all && !seen[o]++);
                    assert_int_equal(q.windows[o / q.places * width + o % q.places],
                                     byte);
                    assert_true(j == q.segment[s] || o > q.order[j - 1]);
                    places++;
                }
            }
        assert_int_equal(places, all);
        assert_true(q.byte_segments[256] <= q.segments);
        for (size_t s = q.byte_segments[256]; s <= q.segments; s++)
            assert_int_equal(q.segment[s], all); /* those left are empty */
        free(seen);
        free(block);
    }
    struct batch q;
    assert_false(batch_plan(&q, 65536, 1024, 65536));
}

static void test_buckets_cover_all_once(void **state)
{
    (void)state;
    static const size_t ready[] = {90, 88, 41, 40, 5, 0};
    for (size_t full = 1; full < 120; full++) {
        struct buckets q = {.end = 102, .full = full};
        size_t from = 102, at_, n;
        for (size_t i = 0; i < sizeof ready / sizeof *ready; i++) {
            while (buckets_take(&q, ready[i], &at_, &n)) {
                assert_true(n > 0 && n <= full);
                assert_int_equal(at_ + n, from); /* no gap, no overlap */
                assert_true(at_ >= ready[i]);    /* nothing that is not there yet */
                assert_true(n == full || at_ == 0);
                from = at_;
            }
            assert_true(from - ready[i] < full);
        }
        assert_int_equal(from, 0);
    }
}

static void test_bf16_is_rounded_to_the_nearest(void **state)
{
    (void)state;
    static const struct {
        uint32_t in;
        uint16_t out;
    } cases[] = {
        {0x00000000, 0x0000}, {0x80000000, 0x8000}, {0x3f800000, 0x3f80},
        {0x3f808000, 0x3f80}, /* a tie: to even, down */
        {0x3f818000, 0x3f82}, /* a tie: up */
        {0x3f808001, 0x3f81}, {0x3f807fff, 0x3f80}, {0x7f7fffff, 0x7f80},
        {0xff7fffff, 0xff80}, {0x7f800000, 0x7f80}, {0x7fc00001, 0x7fff},
        {0x7f800001, 0x7fff}, {0xffffffff, 0x7fff}, {0x00000001, 0x0000},
        {0x00018000, 0x0002}, {0xbf808001, 0xbf81},
    };
    enum { N = sizeof cases / sizeof *cases };
    char why[64];
    struct gpu *g = gpu_open(0, false, why, sizeof why);
    struct kernels k = {g, GPU_F32, GPU_BF16};
    uint32_t *host = gpu_alloc_host(g, N * 4), *in = gpu_alloc(g, N * 4);
    uint16_t *back = gpu_alloc_host(g, N * 2), *out = gpu_alloc(g, N * 2);
    for (size_t i = 0; i < N; i++)
        host[i] = cases[i].in;
    gpu_copy(g, GPU_COMPUTE, in, host, N * 4);
    kernel_round(&k, N, in, out);
    gpu_copy(g, GPU_COMPUTE, back, out, N * 2);
    while (!gpu_is_idle(g))
        ;
    for (size_t i = 0; i < N; i++)
        assert_int_equal(back[i], cases[i].out);
    gpu_close(g);
}

static void test_speed(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum precision p;
        double tflops;
    } cases[] = {
        {"NVIDIA H100 80GB HBM3", PRECISION_BF16, 989},
        {"NVIDIA H100 PCIe", PRECISION_BF16, 756},
        {"NVIDIA H200", PRECISION_TF32, 494.5},
        {"NVIDIA GH200 480GB", PRECISION_FP64, 67},
        {"NVIDIA A100-SXM4-80GB", PRECISION_TF32, 156},
        {"NVIDIA L4", PRECISION_BF16, 121},
        {"NVIDIA L40S", PRECISION_BF16, 362},
        {"NVIDIA L40", PRECISION_BF16, 0},
        {"NVIDIA RTX A4000", PRECISION_BF16, 0},
        {"", PRECISION_FP32, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_true(speed_peak(cases[i].name, cases[i].p) == cases[i].tflops);
    struct model_shape s = {.context = 2, .embed = 3, .hidden = 5, .layers = 2};
    assert_true(speed_flops(&s, 7) == 6.0 * 7 * (6 * 5 + 5 * 5 + 5 * 256));
}

static void test_a_billion_weights_are_counted(void **state)
{
    (void)state;
    struct options o = {.context = 64,
                        .embed = 64,
                        .hidden = 16384,
                        .layers = 4,
                        .streams = 64,
                        .positions = 128,
                        .optimizer = OPTIMIZER_ADAMW,
                        .bucket_mb = 1};
    struct batch q;
    struct plan p;
    o.precision = PRECISION_BF16;
    assert_true(batch_plan(&q, o.streams, o.context, o.positions));
    plan_make(&p, &o, &q);
    size_t n = 256 * 64 + (size_t)(64 * 64 + 1) * 16384 + 3 * (size_t)16385 * 16384 +
               (size_t)16385 * 256;
    assert_int_equal(p.n, n);
    assert_int_equal(p.rows, 8192);
    /* Weights, two moments and gradients of 4 bytes, a copy of 2. */
    assert_true(p.total > 18 * n && p.total < 18 * n + ((size_t)3 << 30));
    o.verify_every = 1;
    size_t before = p.total;
    plan_make(&p, &o, &q);
    assert_int_equal(p.total - before, p.gradients);
    o.hidden = 65536;
    o.layers = 64;
    plan_make(&p, &o, &q);
    assert_true(p.n > (size_t)270e9 && p.total > 18 * p.n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_batch_is_sorted_by_byte),
        cmocka_unit_test(test_buckets_cover_all_once),
        cmocka_unit_test(test_bf16_is_rounded_to_the_nearest),
        cmocka_unit_test(test_speed),
        cmocka_unit_test(test_a_billion_weights_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
