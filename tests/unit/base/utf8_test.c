/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "proto/base/utf8.h"

static void test_decode(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len, n;
        uint32_t c;
    } rows[] = {
        {"", 0, 0, 0},
        {"A", 1, 1, 'A'},
        {"\0", 1, 1, 0},
        {"\x7f", 1, 1, 0x7f},
        {"\xc2\x80", 2, 2, 0x80},
        {"\xe2\x82\xac", 3, 3, 0x20ac},
        {"\xf0\x9f\x98\x80z", 5, 4, 0x1f600},
        {"\xf4\x8f\xbf\xbf", 4, 4, 0x10ffff},
        {"\x80", 1, 0, 0},     /* a later byte alone */
        {"\xc0\x80", 2, 0, 0}, /* overlong */
        {"\xc1\xbf", 2, 0, 0},
        {"\xe0\x9f\xbf", 3, 0, 0},
        {"\xf0\x8f\xbf\xbf", 4, 0, 0},
        {"\xed\xa0\x80", 3, 0, 0},         /* a surrogate */
        {"\xf4\x90\x80\x80", 4, 0, 0},     /* past the last */
        {"\xf8\x88\x80\x80\x80", 5, 0, 0}, /* five bytes */
        {"\xff", 1, 0, 0},
        {"\xe2\x82", 2, 0, 0}, /* cut */
        {"\xe2\x82"
         "A",
         3, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t c = 0;
        assert_int_equal(utf8_decode(rows[i].bytes, rows[i].len, &c), rows[i].n);
        assert_int_equal(c, rows[i].c);
    }
}

static void test_every_character_comes_back(void **state)
{
    (void)state;
    for (uint32_t c = 0; c <= 0x110000; c++) {
        char bytes[4];
        uint32_t back = 0;
        if (!utf8_is_scalar(c)) {
            assert_true((c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff);
            continue;
        }
        size_t n = utf8_encode(c, bytes);
        if (utf8_decode(bytes, n, &back) != n || back != c)
            fail_msg("U+%04x", c);
    }
}

static void test_width(void **state)
{
    (void)state;
    assert_int_equal(utf8_width('a'), 1);
    assert_int_equal(utf8_width(0xe9), 1);
    assert_int_equal(utf8_width(0x301), 0);
    assert_int_equal(utf8_width(0x65e5), 2);
    assert_int_equal(utf8_width(0x1f600), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_every_character_comes_back),
        cmocka_unit_test(test_width),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
