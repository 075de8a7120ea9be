/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "launcher/gate.h"

static bool hello(struct gate *g, unsigned number, uint64_t now_ms)
{
    uint8_t point[HELLO_PUBLIC_BYTES] = {0};
    memcpy(point + 7, &number, sizeof number);
    return gate_hello(g, point, now_ms);
}

static void test_a_hello_counts_once(void **state)
{
    (void)state;
    struct gate g = {0};
    assert_true(hello(&g, 1, 1000));
    assert_false(hello(&g, 1, 1000));
    assert_false(hello(&g, 1, 1u << 30)); /* however much later */
    assert_true(hello(&g, 2, 2000));
    assert_false(hello(&g, 1, 3000));
    for (unsigned i = 3; i < 3 + LIMIT_HELLOS_KEPT - 1; i++)
        assert_true(hello(&g, i, 10000000 * i));
    assert_false(hello(&g, 2, 1ull << 40)); /* the oldest that is kept */
}

static void test_a_node_calls_no_faster_than_it_needs(void **state)
{
    (void)state;
    struct gate g = {0};
    uint64_t now = 5;
    unsigned number = 0, taken = 0;
    while (taken < LIMIT_HELLO_BURST) /* many addresses tried at once */
        taken += hello(&g, ++number, now);
    assert_int_equal(number, LIMIT_HELLO_BURST);
    assert_false(hello(&g, ++number, now));
    for (unsigned i = 0; i < 100000;
         i++) /* a flood of fresh ones: the rate and no more */
        taken += hello(&g, ++number, now += 1);
    assert_in_range(taken, LIMIT_HELLO_BURST + 100000 / LIMIT_HELLO_EVERY_MS - 1,
                    LIMIT_HELLO_BURST + 100000 / LIMIT_HELLO_EVERY_MS + 1);
    for (unsigned i = 0; i < 1000; i++) /* one a second, as an agent does, for ever */
        assert_true(hello(&g, ++number, now += 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_hello_counts_once),
        cmocka_unit_test(test_a_node_calls_no_faster_than_it_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
