/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/err.h"

static void test_limit(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4);
    assert_int_equal(buf_add(&b, "abc", 3), 0);
    assert_int_equal(buf_add(&b, "de", 2), ERR_LIMIT);
    assert_int_equal(b.len, 3);
    assert_int_equal(buf_add(&b, "d", 1), 0);
    assert_memory_equal(b.data, "abcd", 4);
    buf_fini(&b);
}

static void test_consume(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 16);
    assert_int_equal(buf_printf(&b, "%d and %s", 1, "two"), 0);
    buf_consume(&b, 6);
    assert_int_equal(b.len, 3);
    assert_memory_equal(b.data, "two", 3);
    buf_consume(&b, 3);
    assert_int_equal(b.len, 0);
    buf_fini(&b);
}

/* Lines with a place for 7 characters, joined by '|', and what is left. */
static void test_lines(void **state)
{
    (void)state;
    static const struct {
        const char *in, *lines;
        size_t left;
    } rows[] = {
        {"", "", 0},
        {"half", "", 4},
        {"\n", "|", 0},
        {"one\ntwo\nthr", "one|two|", 3},
        {"1234567\n12345678\nx\n", "1234567|1234567|x|", 0},
        {"a\n\n\nb", "a|||", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf b;
        char got[64] = "", line[8];
        size_t at = 0;
        buf_init(&b, 64);
        assert_int_equal(buf_add(&b, rows[i].in, strlen(rows[i].in)), 0);
        while (buf_line(&b, &at, line, sizeof line)) {
            strcat(got, line);
            strcat(got, "|");
        }
        assert_string_equal(got, rows[i].lines);
        assert_int_equal(b.len - at, rows[i].left);
        buf_fini(&b);
    }
}

static void test_empty(void **state)
{
    (void)state;
    struct buf b;
    char line[8];
    size_t at = 0;
    buf_init(&b, 64);
    assert_false(buf_line(&b, &at, line, sizeof line));
    assert_int_equal(at, 0);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_consume),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
