/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "proto/base/size.h"

static void test_table(void **state)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } table[] = {
        {0, "0 B"},
        {685, "685 B"},
        {1023, "1023 B"},
        {1024, "1.0 KiB"},
        {300004, "293 KiB"},
        {12 << 20, "12.0 MiB"},
        {UINT64_C(503) << 30, "503 GiB"},
        {UINT64_C(5000) << 40, "5000 TiB"},
        {UINT64_MAX, "16777216 TiB"},
    };
    char text[SIZE_TEXT];
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        assert_string_equal(size_text(table[i].bytes, text), table[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_table)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
