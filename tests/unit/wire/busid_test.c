/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/wire/busid.h"

static void test_read(void **state)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t want;
    } rows[] = {
        {"0000:00:00.0", true, 0},
        {"0000:18:00.0", true, 0x1800},
        {"0000:10:1c.7", true, 0x10e7},
        {"0001:00:00.0", true, 0x10000},
        {"9C3e:00:02.0", true, 0x9c3e0010},
        {"00010000:3b:00.0", true, 0x100003b00},
        {"ffffffff:ff:1f.7", true, 0xffffffffffff},
        {"0:1:2.3", true, 0x113},
        {"0000:18", true, 0x1800}, /* a root bus */
        {"", false, 0},
        {"0000", false, 0},
        {"0000:", false, 0},
        {"18:00.0", false, 0},
        {"0000:18:", false, 0},
        {"0000:18:00", false, 0},
        {"0000:18:00.", false, 0},
        {"0000:18:00.0 ", false, 0},
        {" 0000:18:00.0", false, 0},
        {"0000:1g:00.0", false, 0},
        {"0000:118:00.0", false, 0},
        {"0000:18:20.0", false, 0}, /* a device has 5 bits */
        {"0000:18:00.8", false, 0}, /* a function 3 */
        {"0000:18:00.00", false, 0},
        {"000000000:18:00.0", false, 0},
        {"0x00:18:00.0", false, 0},
        {"-001:18:00.0", false, 0},
        {"+001:+8:00.0", false, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t got = 1;
        if (busid_read(rows[i].text, &got) != rows[i].good ||
            got != (rows[i].good ? rows[i].want : 1))
            fail_msg("\"%s\": %#llx", rows[i].text, (unsigned long long)got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_read)};
    return cmocka_run_group_tests_name("busid", tests, NULL, NULL);
}
