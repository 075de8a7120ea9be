/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "proto/base/err.h"

static void test_set_returns_code_and_takes_null(void **state)
{
    (void)state;
    struct err e;
    assert_int_equal(err_set(NULL, -EINVAL, "x"), -EINVAL);
    assert_int_equal(err_sys(&e, -ENOENT, "open \"%s\"", "f"), -ENOENT);
    assert_string_equal(e.text, "open \"f\": No such file or directory");
    assert_int_equal(err_wrap(&e, "node %d", 3), -ENOENT);
    assert_string_equal(e.text, "node 3: open \"f\": No such file or directory");
    err_hint(&e, "make it");
    assert_string_equal(e.hint, "make it");
    err_set(&e, ERR_PARSE, "y");
    assert_string_equal(e.hint, "");
}

static void test_text_is_cut_not_overrun(void **state)
{
    (void)state;
    struct err e;
    char big[2000];
    memset(big, 'a', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    err_set(&e, -EINVAL, "%s", big);
    assert_int_equal(strlen(e.text), sizeof e.text - 1);
    err_wrap(&e, "b");
    assert_int_equal(strlen(e.text), sizeof e.text - 1);
}

static void test_exit_status(void **state)
{
    (void)state;
    assert_int_equal(err_exit_status(0), 0);
    assert_int_equal(err_exit_status(ERR_USAGE), 2);
    assert_int_equal(err_exit_status(ERR_BOOT), 80);
    assert_int_equal(err_exit_status(-EINVAL), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_returns_code_and_takes_null),
        cmocka_unit_test(test_text_is_cut_not_overrun),
        cmocka_unit_test(test_exit_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
