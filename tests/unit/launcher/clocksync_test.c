/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdint.h>

#include "launcher/clocksync.h"

static void test_least_round_trip_wins(void **state)
{
    (void)state;
    struct clocksync c = {0};
    assert_true(clocksync_error(&c, 5) == UINT64_MAX);
    clocksync_sample(&c, 1000, 501100, 1200); /* node = head + 500000, rtt 200 */
    assert_int_equal(c.offset_ns, 500000);
    assert_int_equal(clocksync_error(&c, 1200), 100);
    clocksync_sample(&c, 2000, 509000, 6000); /* rtt 4000: worse, ignored */
    assert_int_equal(c.offset_ns, 500000);
    clocksync_sample(&c, 7000, 507010, 7020);
    assert_int_equal(c.offset_ns, 500000);
    assert_int_equal(clocksync_error(&c, 7020), 10);
}

static void test_error_grows_with_age(void **state)
{
    (void)state;
    struct clocksync c = {0};
    uint64_t error;
    clocksync_sample(&c, 0, 100, 200);
    assert_int_equal(clocksync_error(&c, 200 + 1000000000), 100 + 100000);
    assert_int_equal(clocksync_to_head(&c, 1100, 200, &error), 1100);
    assert_int_equal(error, 100);
    /* after a minute a mediocre sample is better than the old good one */
    uint64_t later = 60ull * 1000000000;
    clocksync_sample(&c, later, later + 2000, later + 3000);
    assert_int_equal(c.offset_ns, 500);
}

static void test_nonsense_is_ignored(void **state)
{
    (void)state;
    struct clocksync c = {0};
    clocksync_sample(&c, 10, 5, 9); /* came back before it left */
    assert_false(c.known);
    clocksync_sample(&c, 1000, 3, 1010); /* node behind the head */
    assert_int_equal(c.offset_ns, 3 - 1005);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_least_round_trip_wins),
        cmocka_unit_test(test_error_grows_with_age),
        cmocka_unit_test(test_nonsense_is_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
