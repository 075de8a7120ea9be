/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "proto/base/clock.h"

static void test_parse(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
        uint64_t ms;
    } rows[] = {
        {"0", 0, 0},
        {"90", 0, 90000},
        {"500ms", 0, 500},
        {"30s", 0, 30000},
        {"5m", 0, 300000},
        {"1h", 0, 3600000},
        {"2d", 0, 172800000},
        {"1h30m", 0, 5400000},
        {"1d2h3m4s5ms", 0, 93784005},
        {"1m500ms", 0, 60500},
        {"0090", 0, 90000},
        {"90m", 0, 5400000},
        {"3650d", 0, 315360000000},
        {"315360000", 0, 315360000000},
        {"3650d1ms", -ERANGE, 0},
        {"3651d", -ERANGE, 0},
        {"315360001", -ERANGE, 0},
        {"18446744073709551616ms", -ERANGE, 0},
        {"99999999999999999999999999999999d", -ERANGE, 0},
        {"3650d3650h", -ERANGE, 0},
        {"99999d1", -EINVAL, 0}, /* the form comes first */
        {"", -EINVAL, 0},
        {"h", -EINVAL, 0},
        {"1.5h", -EINVAL, 0},
        {"-1", -EINVAL, 0},
        {"+1", -EINVAL, 0},
        {" 1", -EINVAL, 0},
        {"1 ", -EINVAL, 0},
        {"1 h", -EINVAL, 0},
        {"1h30", -EINVAL, 0},
        {"30m1h", -EINVAL, 0},
        {"1h1h", -EINVAL, 0},
        {"1w", -EINVAL, 0},
        {"1H", -EINVAL, 0},
        {"1hm", -EINVAL, 0},
        {"1us", -EINVAL, 0},
        {"0x10", -EINVAL, 0},
        {"1e3", -EINVAL, 0},
        {"1h:30m", -EINVAL, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err e;
        uint64_t ms = 7;
        int rc = clock_parse_duration(rows[i].text, &ms, &e);
        uint64_t want = rows[i].rc < 0 ? 7 : rows[i].ms; /* untouched on failure */
        if (rc != rows[i].rc || ms != want)
            fail_msg("\"%s\": %d, %llu ms", rows[i].text, rc, (unsigned long long)ms);
    }
}

static void test_errors_say_the_way_out(void **state)
{
    (void)state;
    struct err e;
    uint64_t ms;
    assert_int_equal(clock_parse_duration("1.5h", &ms, &e), -EINVAL);
    assert_string_equal(e.text, "\"1.5h\" is not a duration");
    assert_string_equal(e.hint,
                        "write whole numbers with d, h, m, s or ms, as in \"90s\" or "
                        "\"1h30m\"");
    assert_int_equal(clock_parse_duration("9999d", &ms, &e), -ERANGE);
    assert_string_equal(e.text, "\"9999d\" is longer than 10 years");
    assert_int_equal(clock_parse_duration("x", &ms, NULL), -EINVAL);
}

static void test_format(void **state)
{
    (void)state;
    static const struct {
        uint64_t ms;
        const char *text;
    } rows[] = {
        {0, "0 ms"},
        {850, "850 ms"},
        {999, "999 ms"},
        {1000, "1.0 s"},
        {12345, "12.3 s"},
        {59999, "59.9 s"},
        {60000, "1 m 00 s"},
        {245000, "4 m 05 s"},
        {3599999, "59 m 59 s"},
        {3600000, "1 h 00 m"},
        {7380000, "2 h 03 m"},
        {86399999, "23 h 59 m"},
        {86400000, "1 d 00 h"},
        {273600000, "3 d 04 h"},
        {UINT64_MAX, "213503982334 d 14 h"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char buf[24];
        assert_ptr_equal(clock_format_duration(rows[i].ms, buf, sizeof buf), buf);
        assert_string_equal(buf, rows[i].text);
    }
}

static void test_clocks(void **state)
{
    (void)state;
    uint64_t a = clock_mono_ns(), b = clock_mono_ns();
    assert_true(a > 0 && b >= a);
    assert_true(clock_real_ns() > 1700000000ull * 1000000000); /* after 2023 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_errors_say_the_way_out),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
