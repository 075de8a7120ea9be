/* SPDX-License-Identifier: MIT */
/* The trainer is a program of its own, so its sources are included here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "agent/workload/options.c"

static enum options_result parse(const char *a, const char *b, struct options *o)
{
    char *argv[] = {(char *)"trainer", (char *)a, (char *)b, NULL};
    return options_parse(!a ? 1 : !b ? 2 : 3, argv, false, o);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
