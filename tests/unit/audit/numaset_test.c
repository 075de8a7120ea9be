/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>

#include "agent/audit/numaset.h"

static void test_parse(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
        unsigned count, has, not ;
    } table[] = {
        {"", 0, 0, 0, 0},
        {"0", 0, 1, 0, 1},
        {"0-3", 0, 4, 3, 4},
        {"0-27,56-83", 0, 56, 56, 28},
        {"8191", 0, 1, 8191, 0},
        {"0-8191", 0, 8192, 8191, 8192},
        {"1,1,1-1", 0, 1, 1, 0},
        {"8192", -EINVAL, 0, 0, 0},
        {"0-99999999999999999999", -EINVAL, 0, 0, 0},
        {"3-1", -EINVAL, 0, 0, 0},
        {"-1", -EINVAL, 0, 0, 0},
        {"1-", -EINVAL, 0, 0, 0},
        {"1,", -EINVAL, 0, 0, 0},
        {",1", -EINVAL, 0, 0, 0},
        {"1 2", -EINVAL, 0, 0, 0},
        {"0-3:1/2", -EINVAL, 0, 0, 0},
        {"ff", -EINVAL, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct numaset s;
        if (numaset_parse(table[i].text, &s) != table[i].rc)
            fail_msg("\"%s\"", table[i].text);
        if (table[i].rc < 0)
            continue;
        assert_int_equal(numaset_count(&s), table[i].count);
        assert_true(!table[i].count || numaset_has(&s, table[i].has));
        assert_false(numaset_has(&s, table[i].not ));
    }
}

static void test_common(void **state)
{
    (void)state;
    struct numaset a, b;
    assert_int_equal(numaset_parse("0-63,100", &a), 0);
    assert_int_equal(numaset_parse("60-100", &b), 0);
    assert_int_equal(numaset_common(&a, &b), 5);
    assert_int_equal(numaset_parse("", &b), 0);
    assert_int_equal(numaset_common(&a, &b), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_common),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
