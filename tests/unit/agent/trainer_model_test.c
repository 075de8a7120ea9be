/* SPDX-License-Identifier: MIT */
/* The trainer is a program of its own, so its sources are included here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "agent/workload/model.c"
#include "agent/workload/optim.c"

static const struct model_shape shapes[] = {
    {1, 1, 1, 1},
    {3, 2, 5, 1},
    {2, 3, 4, 2},
    {4, 5, 7, 3},
};

static void test_gradient_agrees_with_differences(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
        struct model m;
        assert_int_equal(model_create(&m, &shapes[k]), 0);
        double *grad = calloc(m.n, sizeof *grad), *scratch = calloc(m.n, sizeof *grad);
        uint8_t context[4] = {'a', 0, 255, 'a'};
        model_init(&m, 5 + k);
        double loss = model_learn(&m, context, 'q', 0.5, grad);
        assert_true(loss > 4 && loss < 7);
        for (size_t i = 0; i < m.n; i++) {
            double w = m.w[i], h = 1e-5;
            m.w[i] = w + h;
            double up = model_learn(&m, context, 'q', 0, scratch);
            m.w[i] = w - h;
            double down = model_learn(&m, context, 'q', 0, scratch);
            m.w[i] = w;
            assert_true(fabs(0.5 * (up - down) / (2 * h) - grad[i]) < 1e-8);
        }
        free(grad);
        free(scratch);
        model_destroy(&m);
    }
}

static void test_first_weights_are_fixed(void **state)
{
    (void)state;
    struct model a, b;
    assert_int_equal(model_create(&a, &shapes[2]), 0);
    assert_int_equal(model_create(&b, &shapes[2]), 0);
    model_init(&a, 1);
    model_init(&b, 1);
    assert_memory_equal(a.w, b.w, a.n * sizeof *a.w);
    model_init(&b, 2);
    assert_memory_not_equal(a.w, b.w, a.n * sizeof *a.w);
    assert_int_equal(a.n, model_size(&shapes[2]));
    /* Any part alone has the same bits, and nothing beside it is written. */
    for (size_t at = 0; at < a.n; at += 7) {
        double part[16];
        size_t n = a.n - at < 11 ? a.n - at : 11;
        part[n] = 77;
        model_first(&shapes[2], 1, at, part, n);
        assert_memory_equal(part, a.w + at, n * sizeof *part);
        assert_true(part[n] == 77);
    }
    model_destroy(&a);
    model_destroy(&b);
}

/* What the first version of the trainer began with, so that its checkpoints stay its own. */
static void test_first_weights_are_those_of_always(void **state)
{
    (void)state;
    double w[4];
    uint64_t z = 1;
    model_first(&shapes[1], 1, 0, w, 4);
    for (int i = 0; i < 4; i++) { /* splitmix64 as published: one state that goes on */
        uint64_t x = z += 0x9e3779b97f4a7c15u;
        x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
        x = (x ^ x >> 27) * 0x94d049bb133111ebu;
        x ^= x >> 31;
        assert_true(w[i] == 0.5 * ((double)(x >> 11) * 0x1p-52 - 1.0));
    }
}

static void test_optimisers_go_downhill(void **state)
{
    (void)state;
    for (int kind = OPTIMIZER_ADAMW; kind <= OPTIMIZER_SGD; kind++) {
        struct options o = {
            .optimizer = (enum optimizer)kind, .lr = 0.05, .momentum = 0.5};
        struct optim p;
        double w[2] = {3, -2}, g[2];
        assert_int_equal(optim_create(&p, &o, 2), 0);
        for (uint64_t s = 1; s <= 400; s++) {
            g[0] = 2 * w[0];
            g[1] = 2 * w[1];
            optim_step(&p, s, w, g);
        }
        assert_true(fabs(w[0]) < 0.05 && fabs(w[1]) < 0.05);
        optim_destroy(&p);
    }
    assert_true(fabs(power(0.9, 37) / pow(0.9, 37) - 1) < 1e-14);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradient_agrees_with_differences),
        cmocka_unit_test(test_first_weights_are_fixed),
        cmocka_unit_test(test_first_weights_are_those_of_always),
        cmocka_unit_test(test_optimisers_go_downhill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
