/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdint.h>

#include "proto/wire/limitwire.h"

static void test_there_and_back(void **state)
{
    (void)state;
    struct rlimits out = {0}, in;
    struct limitwire w;
    out.known[RLIMITS_STACK] = out.known[RLIMITS_NOFILE] = true;
    out.v[RLIMITS_STACK] = (struct rlimit){8u << 20, RLIM_INFINITY};
    out.v[RLIMITS_NOFILE] = (struct rlimit){0, 4096};
    limitwire_fill(&w, &out);
    assert_int_equal(w.n, 2); /* what is not known is not said */
    for (size_t i = 0; i < w.n; i++)
        assert_true(w.list[i]->hard == 4096 || w.list[i]->hard == UINT64_MAX);
    limitwire_read(w.list, w.n, &in);
    for (size_t i = 0; i < RLIMITS_N; i++) {
        assert_int_equal(in.known[i], out.known[i]);
        assert_int_equal(in.v[i].rlim_cur, out.v[i].rlim_cur);
        assert_int_equal(in.v[i].rlim_max, out.v[i].rlim_max);
    }
}

static void test_names_of_other_versions(void **state)
{
    (void)state;
    Aolani__Limit m[] = {AOLANI__LIMIT__INIT, AOLANI__LIMIT__INIT};
    Aolani__Limit *list[] = {&m[0], &m[1]};
    struct rlimits in;
    m[0].name = (char *)"dreams";
    m[0].soft = 1;
    m[1].name = (char *)"";
    limitwire_read(list, 2, &in);
    for (size_t i = 0; i < RLIMITS_N; i++)
        assert_false(in.known[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_there_and_back),
                                       cmocka_unit_test(test_names_of_other_versions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
