/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "proto/wire/limitwire.h"

static void test_there_and_back(void **state)
{
    (void)state;
    const struct rlimits l = {
        .v = {[RLIMITS_MEMLOCK] = {65536, RLIM_INFINITY}, [RLIMITS_NOFILE] = {0, 4096}},
        .known = {[RLIMITS_MEMLOCK] = true, [RLIMITS_NOFILE] = true}};
    struct limitwire w;
    struct rlimits got;
    limitwire_fill(&w, &l);
    assert_int_equal(w.n, 2);
    limitwire_read(w.list, w.n, &got);
    for (int i = 0; i < RLIMITS_N; i++) {
        assert_int_equal(got.known[i], l.known[i]);
        assert_int_equal(got.v[i].rlim_cur, l.v[i].rlim_cur);
        assert_int_equal(got.v[i].rlim_max, l.v[i].rlim_max);
    }
}

/* Of another version, or of somebody up to no good. */
static void test_what_is_not_known_is_passed_over(void **state)
{
    (void)state;
    Aolani__Limit odd = AOLANI__LIMIT__INIT, twice = AOLANI__LIMIT__INIT;
    Aolani__Limit *list[] = {&odd, &twice, &odd, &twice};
    struct rlimits got;
    odd.name = "cpu";
    twice.name = "core";
    twice.soft = UINT64_MAX;
    limitwire_read(list, 4, &got);
    assert_true(got.known[RLIMITS_CORE]);
    assert_true(got.v[RLIMITS_CORE].rlim_cur == RLIM_INFINITY);
    assert_false(got.known[RLIMITS_MEMLOCK]);
    limitwire_read(NULL, 0, &got);
    assert_false(got.known[RLIMITS_CORE]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_what_is_not_known_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
