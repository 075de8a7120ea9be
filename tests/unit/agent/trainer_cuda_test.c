/* SPDX-License-Identifier: MIT */
/* The trainer's back end for CUDA on a GPU made of memory (tests/lib/gpu_host.c), against the
 * arithmetic of the CPU: the same kernels, products as cuBLAS is asked for them, streams that
 * run out of step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/workload/backend.h"
#include "agent/workload/cuda/gpu.h"
#include "agent/workload/model.h"
#include "agent/workload/optim.h"
#include "proto/client/aolani.h"

/* ---- marks, which a job would see */

static int waits, depth;

void aolani_wait_begin(void)
{
    waits++;
    depth++;
}

void aolani_wait_end(void)
{
    depth--;
}

int why_set(struct why *w, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(w->text, sizeof w->text, fmt, ap);
    va_end(ap);
    return -1;
}

/* ---- one rank's training, and the same on the CPU */

static const struct backend *const b = &backend_linked;
static const struct comm *alone;

struct run {
    struct options o;
    void *own;
    struct model model;
    struct optim optim;
    double *grad, loss;
    uint32_t width; /* of a window */
};

static struct options options_of(uint32_t context, uint32_t embed, uint32_t hidden,
                                 uint32_t layers, uint32_t streams, uint32_t positions)
{
    return (struct options){.context = context,
                            .embed = embed,
                            .hidden = hidden,
                            .layers = layers,
                            .streams = streams,
                            .positions = positions,
                            .optimizer = OPTIMIZER_ADAMW,
                            .lr = 0.01,
                            .weight_decay = 0.02,
                            .momentum = 0.9,
                            .seed = 5,
                            .bucket_mb = 1,
                            .precision = PRECISION_FP64};
}

static const struct options shapes[] = {
    {.context = 1, .embed = 1, .hidden = 1, .layers = 1, .streams = 1, .positions = 1},
    {.context = 3, .embed = 2, .hidden = 5, .layers = 1, .streams = 2, .positions = 7},
    {.context = 5, .embed = 3, .hidden = 4, .layers = 3, .streams = 3, .positions = 2},
    {.context = 2,
     .embed = 7,
     .hidden = 9,
     .layers = 2,
     .streams = 1,
     .positions = 600},
    {.context = 4,
     .embed = 8,
     .hidden = 600,
     .layers = 1,
     .streams = 5,
     .positions = 4},
};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

static struct options shape_options(size_t i)
{
    const struct options *s = &shapes[i];
    return options_of(s->context, s->embed, s->hidden, s->layers, s->streams,
                      s->positions);
}

static void run_open(struct run *r, const struct options *o)
{
    struct why why;
    struct model_shape shape = {o->context, o->embed, o->hidden, o->layers};
    *r = (struct run){.o = *o, .width = o->context + o->positions};
    if (b->create(&r->own, &r->o, alone, &why) < 0 || b->join(r->own, &why) < 0)
        fail_msg("%s", why.text);
    assert_int_equal(model_create(&r->model, &shape), 0);
    model_init(&r->model, o->seed);
    assert_int_equal(optim_create(&r->optim, o, r->model.n), 0);
    r->grad = calloc(r->model.n, sizeof *r->grad);
    assert_non_null(r->grad);
}

static void run_close(struct run *r)
{
    b->destroy(r->own);
    free(r->grad);
    optim_destroy(&r->optim);
    model_destroy(&r->model);
}

/* Text with bytes that are frequent, rare and absent. */
static void make_window(uint8_t *w, uint32_t n, uint64_t step, uint32_t stream)
{
    uint64_t x = step * 1000003 + stream * 7919 + 1;
    for (uint32_t i = 0; i < n; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        w[i] = x >> 62 ? 'e' : (uint8_t)(x >> 40);
    }
}

static void give_batch(struct run *r, uint64_t step)
{
    uint8_t window[1024];
    for (uint32_t i = 0; i < r->o.streams; i++) {
        make_window(window, r->width, step, i);
        b->learn(r->own, step, i, window);
    }
}

static void gpu_step(struct run *r, uint64_t step, struct step_result *ret)
{
    struct why why;
    give_batch(r, step);
    if (b->finish(r->own, step, step == 3, ret, &why) < 0)
        fail_msg("step %d: %s", (int)step, why.text);
}

static void cpu_step(struct run *r, uint64_t step)
{
    const struct options *o = &r->o;
    double scale = 1.0 / ((double)o->streams * o->positions);
    uint8_t window[1024];
    r->loss = 0;
    memset(r->grad, 0, r->model.n * sizeof *r->grad);
    for (uint32_t i = 0; i < o->streams; i++) {
        make_window(window, r->width, step, i);
        for (uint32_t p = 0; p < o->positions; p++)
            r->loss += scale * model_learn(&r->model, window + p,
                                           window[p + o->context], scale, r->grad);
    }
    optim_step(&r->optim, step, r->model.w, r->grad);
}

static double *array_of(struct run *r, unsigned array)
{
    double *v = malloc(r->model.n * sizeof *v);
    assert_non_null(v);
    assert_int_equal(b->get(r->own, array, 0, v, r->model.n), 0);
    return v;
}

/* The greatest difference, as part of the greatest number; of a NaN, infinite. */
static double difference(const double *a, const double *c, size_t n)
{
    double worst = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs(a[i] - c[i]);
        worst = isnan(d) ? INFINITY : d > worst ? d : worst;
        size = fabs(c[i]) > size ? fabs(c[i]) : size;
    }
    return size > 0 ? worst / size : worst;
}

static double array_difference(struct run *r, unsigned array, const double *c)
{
    double *v = array_of(r, array), d = difference(v, c, r->model.n);
    free(v);
    return d;
}

/* ---- against the CPU */

static void test_gradient_is_that_of_the_cpu(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SHAPES; i++) {
        struct options o = shape_options(i);
        struct run r;
        struct step_result got;
        o.optimizer = OPTIMIZER_SGD; /* whose velocity is at first the gradient */
        run_open(&r, &o);
        assert_true(array_difference(&r, 0, r.model.w) == 0); /* the same bits */
        gpu_step(&r, 1, &got);
        cpu_step(&r, 1);
        assert_true(array_difference(&r, 1, r.grad) < 1e-12);
        assert_true(fabs(got.loss / r.loss - 1) < 1e-12);
        assert_false(got.stop);
        run_close(&r);
    }
}

static void follow(const struct options *o, const char *seed)
{
    struct run r;
    setenv("GPU_HOST_SEED", seed, 1);
    run_open(&r, o);
    for (uint64_t step = 1; step <= 5; step++) {
        struct step_result got;
        gpu_step(&r, step, &got);
        cpu_step(&r, step);
        assert_true(fabs(got.loss / r.loss - 1) < 1e-10);
        assert_int_equal(got.stop, step == 3);
    }
    assert_true(array_difference(&r, 0, r.model.w) < 1e-10);
    assert_true(array_difference(&r, 1, r.optim.m) < 1e-10);
    assert_int_equal(b->arrays(r.own), r.optim.v ? 3 : 2);
    if (r.optim.v)
        assert_true(array_difference(&r, 2, r.optim.v) < 1e-10);
    run_close(&r);
}

static void test_training_is_that_of_the_cpu(void **state)
{
    (void)state;
    static const char *const seeds[] = {"1", "2", "77"};
    for (size_t i = 0; i < N_SHAPES; i++)
        for (int kind = 0; kind<8; kind += shapes[i].hidden> 100 ? 3 : 1) {
            struct options o = shape_options(i);
            o.optimizer = kind & 1 ? OPTIMIZER_SGD : OPTIMIZER_ADAMW;
            o.graph = kind & 2;
            o.verify_every = kind & 4 ? 2 : 0;
            follow(&o, seeds[kind % 3]);
        }
    unsetenv("GPU_HOST_SEED");
}

/* Streams may run as they like: the bits are the same. */
static void test_order_of_streams_does_not_matter(void **state)
{
    (void)state;
    double *first = NULL;
    size_t n = 0;
    for (int seed = 1; seed <= 6; seed++) {
        struct options o = shape_options(4);
        struct run r;
        struct step_result got;
        char text[16];
        o.precision = PRECISION_BF16;
        o.graph = seed % 2;
        snprintf(text, sizeof text, "%d", seed);
        setenv("GPU_HOST_SEED", text, 1);
        run_open(&r, &o);
        for (uint64_t step = 1; step <= 3; step++)
            gpu_step(&r, step, &got);
        double *w = array_of(&r, 0);
        n = r.model.n;
        if (first)
            assert_memory_equal(first, w, n * sizeof *w);
        else
            first = memcpy(calloc(n, sizeof *w), w, n * sizeof *w);
        free(w);
        run_close(&r);
    }
    free(first);
    unsetenv("GPU_HOST_SEED");
}

static void test_precisions(void **state)
{
    (void)state;
    static const struct {
        enum precision precision;
        double least, most; /* of the gradient's error: not better than it can be */
    } cases[] = {
        {PRECISION_FP64, 0, 1e-12},
        {PRECISION_FP32, 1e-9, 1e-5},
        {PRECISION_TF32, 1e-6, 2e-3},
        {PRECISION_BF16, 1e-5, 2e-2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct options o = shape_options(4);
        struct run r;
        struct step_result got;
        o.precision = cases[i].precision;
        o.optimizer = OPTIMIZER_SGD;
        run_open(&r, &o);
        gpu_step(&r, 1, &got);
        cpu_step(&r, 1);
        double d = array_difference(&r, 1, r.grad);
        assert_true(d >= cases[i].least && d <= cases[i].most);
        assert_true(fabs(got.loss / r.loss - 1) <= cases[i].most);
        run_close(&r);
    }
}

static void test_waits_are_marked(void **state)
{
    (void)state;
    struct options o = shape_options(1);
    struct comm unmarked = *alone;
    struct run r;
    struct step_result got;
    run_open(&r, &o);
    waits = 0;
    gpu_step(&r, 1, &got);
    assert_true(waits > 0);
    assert_int_equal(depth, 0);
    run_close(&r);
    unmarked.marks = false;
    const struct comm *was = alone;
    alone = &unmarked;
    run_open(&r, &o);
    waits = 0;
    gpu_step(&r, 1, &got);
    run_close(&r);
    alone = was;
    /* What is left is comm's own of the device made of memory, which is told by `marks` too. */
    assert_int_equal(waits, 0);
}

/* ---- checkpoints */

static void test_what_is_put_is_got(void **state)
{
    (void)state;
    static const enum precision precisions[] = {PRECISION_FP64, PRECISION_BF16};
    for (size_t i = 0; i < 2; i++) {
        struct options o = options_of(8, 16, 600, 1, 2, 2);
        struct run r;
        struct step_result got;
        struct why why;
        o.precision = precisions[i];
        run_open(&r, &o);
        assert_true(r.model.n > 3 << 16); /* more than one piece */
        gpu_step(&r, 1, &got);
        for (unsigned a = 0; a < 3; a++) {
            double *w = array_of(&r, a), *again;
            for (size_t k = 0; k < r.model.n; k++)
                w[k] = (float)w[k] + (float)k / 1024;
            for (size_t k = 0; o.precision == PRECISION_BF16 && k < r.model.n; k++)
                w[k] = (float)w[k];
            assert_int_equal(b->put(r.own, a, 0, w, r.model.n), 0);
            assert_int_equal(b->share(r.own, &why), 0);
            again = array_of(&r, a);
            assert_memory_equal(w, again, r.model.n * sizeof *w);
            free(w);
            free(again);
        }
        run_close(&r);
    }
}

/* The copy that is multiplied follows the weights that were put. */
static void test_training_goes_on_from_what_was_put(void **state)
{
    (void)state;
    struct options o = shape_options(1);
    struct run one, two;
    struct step_result a, c;
    struct why why;
    o.precision = PRECISION_BF16;
    run_open(&one, &o);
    gpu_step(&one, 1, &a);
    o.seed = 99;
    run_open(&two, &o);
    for (unsigned i = 0; i < 3; i++) {
        double *v = array_of(&one, i);
        assert_int_equal(b->put(two.own, i, 0, v, one.model.n), 0);
        free(v);
    }
    assert_int_equal(b->share(two.own, &why), 0);
    gpu_step(&one, 2, &a);
    gpu_step(&two, 2, &c);
    assert_true(a.loss == c.loss);
    run_close(&one);
    run_close(&two);
}

/* ---- failures */

/* Make each call of the device fail in turn, until none is left. */
static void test_every_failure_is_named(void **state)
{
    (void)state;
    bool failed = true;
    int n = 0;
    for (; failed; n++) {
        struct options o = shape_options(2);
        struct run r = {.o = o, .width = o.context + o.positions};
        struct step_result got;
        struct why why = {""};
        char text[16];
        r.o.precision = PRECISION_BF16;
        r.o.graph = true;
        snprintf(text, sizeof text, "%d", n + 1);
        setenv("GPU_HOST_FAIL", text, 1);
        failed = b->create(&r.own, &r.o, alone, &why) < 0;
        failed = failed || b->join(r.own, &why) < 0;
        for (uint64_t step = 1; !failed && step <= 3; step++) {
            give_batch(&r, step);
            failed = b->finish(r.own, step, false, &got, &why) < 0;
        }
        if (failed && !strstr(why.text, "made to fail"))
            fail_msg("call %d: \"%s\"", n + 1, why.text);
        if (failed)
            assert_non_null(
                strstr(why.text, ", in the ") ? why.text : strstr(why.text, ", in a "));
        b->destroy(r.own);
    }
    assert_true(n > 100);
    unsetenv("GPU_HOST_FAIL");
}

static void test_what_does_not_fit_is_refused(void **state)
{
    (void)state;
    struct options o = options_of(8, 16, 600, 1, 2, 2);
    struct why why;
    void *own = NULL;
    setenv("GPU_HOST_FREE", "1000000", 1);
    assert_int_equal(b->create(&own, &o, alone, &why), -1);
    unsetenv("GPU_HOST_FREE");
    assert_null(own);
    assert_non_null(strstr(why.text, "the training takes 7."));
    assert_non_null(strstr(why.text, "MiB (weights 1.80"));
    assert_non_null(strstr(why.text, "has 0.00 of 0.25 GiB free"));
    o.streams = o.positions = 65536;
    assert_int_equal(b->create(&own, &o, alone, &why), -1);
    assert_non_null(strstr(why.text, "more than 2^32"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradient_is_that_of_the_cpu),
        cmocka_unit_test(test_training_is_that_of_the_cpu),
        cmocka_unit_test(test_order_of_streams_does_not_matter),
        cmocka_unit_test(test_precisions),
        cmocka_unit_test(test_waits_are_marked),
        cmocka_unit_test(test_what_is_put_is_got),
        cmocka_unit_test(test_training_goes_on_from_what_was_put),
        cmocka_unit_test(test_every_failure_is_named),
        cmocka_unit_test(test_what_does_not_fit_is_refused),
    };
    static const char *const ranks[] = {
        "RANK",         "WORLD_SIZE",  "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE",
        "SLURM_PROCID", "SLURM_NTASKS"};
    struct comm comm;
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++)
        unsetenv(ranks[i]);
    comm_start(&comm, NULL, NULL);
    alone = &comm;
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    comm_finish(&comm);
    return rc;
}
