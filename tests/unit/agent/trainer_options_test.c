/* SPDX-License-Identifier: MIT */
/* The trainer is a program of its own, so its sources are included here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "agent/workload/options.c"

static const struct options_program cpu = {"trainer", false},
                                    gpu = {"trainer-cuda", true};

static enum options_result parse_for(const struct options_program *program,
                                     const char *a, const char *b, struct options *o)
{
    char *argv[] = {(char *)"trainer", (char *)a, (char *)b, NULL};
    return options_parse(!a ? 1 : !b ? 2 : 3, argv, program, false, o);
}

static enum options_result parse(const char *a, const char *b, struct options *o)
{
    return parse_for(&cpu, a, b, o);
}

static void test_values(void **state)
{
    (void)state;
    struct options o;
    assert_int_equal(parse(NULL, NULL, &o), OPTIONS_RUN);
    assert_int_equal(o.steps, defaults.steps);
    assert_non_null(o.text);
    assert_int_equal(parse("--steps", "12", &o), OPTIONS_RUN);
    assert_int_equal(o.steps, 12);
    assert_int_equal(parse("--hidden=33", "--lr=0.5", &o), OPTIONS_RUN);
    assert_int_equal(o.hidden, 33);
    assert_true(o.lr == 0.5);
    assert_int_equal(parse("--optimizer=sgd", "--text=a=b", &o), OPTIONS_RUN);
    assert_int_equal(o.optimizer, OPTIMIZER_SGD);
    assert_string_equal(o.text, "a=b");
    assert_int_equal(parse("--checkpoint=d", "--resume", &o), OPTIONS_RUN);
    assert_true(o.resume);
    assert_int_equal(parse("--help", NULL, &o), OPTIONS_EXIT_OK);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"--steps", NULL},
        {"--steps", "0"},
        {"--steps", "-1"},
        {"--steps", "1.5"},
        {"--steps", ""},
        {"--steps", "0x10"},
        {"--steps", "nan"},
        {"--hidden", "1e30"},
        {"--lr", "0"},
        {"--lr", "inf"},
        {"--optimizer", "adam"},
        {"--text", ""},
        {"--resume", NULL},
        {"--resume=yes", NULL},
        {"--step", "3"},
        {"--stepsx", "3"},
        {"12", NULL},
        {"--momentum", "1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct options o = {.steps = 77};
        assert_int_equal(parse(cases[i][0], cases[i][1], &o), OPTIONS_EXIT_USAGE);
        assert_int_equal(o.steps, 77);
    }
}

static void test_flags_of_a_gpu(void **state)
{
    (void)state;
    struct options o;
    static const struct {
        const char *a, *b;
        bool good;
    } cases[] = {
        {"--precision", "fp64", true},   {"--precision=bf16", "--graph", true},
        {"--no-marks", NULL, true},      {"--bucket-mb", "1", true},
        {"--verify-sum", "10", true},    {"--peak-tflops=989.5", NULL, true},
        {"--precision", "fp16", false},  {"--precision=", NULL, false},
        {"--bucket-mb", "0", false},     {"--bucket-mb", "0.5", false},
        {"--verify-sum", "0", false},    {"--graph=yes", NULL, false},
        {"--peak-tflops", "-1", false},  {"--precision", NULL, false},
        {"--no-such-flag", NULL, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(parse_for(&gpu, cases[i].a, cases[i].b, &o),
                         cases[i].good ? OPTIONS_RUN : OPTIONS_EXIT_USAGE);
        /* The CPU has none of them. */
        assert_int_equal(parse(cases[i].a, cases[i].b, &o), OPTIONS_EXIT_USAGE);
    }
    assert_int_equal(parse_for(&gpu, "--precision=bf16", "--graph", &o), OPTIONS_RUN);
    assert_int_equal(o.precision, PRECISION_BF16);
    assert_true(o.graph);
    assert_int_equal(parse_for(&gpu, NULL, NULL, &o), OPTIONS_RUN);
    assert_int_equal(o.precision, PRECISION_TF32);
    assert_false(o.graph || o.no_marks || o.verify_every);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_flags_of_a_gpu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
