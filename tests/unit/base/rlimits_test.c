/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "proto/base/rlimits.h"

#define INF RLIM_INFINITY

static struct rlimits one(enum rlimits_name name, rlim_t soft, rlim_t hard)
{
    struct rlimits l = {0};
    l.known[name] = true;
    l.v[name] = (struct rlimit){soft, hard};
    return l;
}

static void test_raise(void **state)
{
    (void)state;
    static const struct {
        enum rlimits_name name;
        rlim_t soft, hard, wanted, want;
    } table[] = {
        {RLIMITS_MEMLOCK, 65536, INF, 65536, INF}, /* all there is */
        {RLIMITS_MEMLOCK, 65536, 131072, INF, 131072},
        {RLIMITS_NOFILE, 1024, 1048576, 1024, 1024}, /* select(2) */
        {RLIMITS_NOFILE, 1024, 1048576, 4096, 4096},
        {RLIMITS_NOFILE, 1024, 2048, 4096, 2048},
        {RLIMITS_NOFILE, 4096, 8192, 1024, 4096}, /* never less */
        {RLIMITS_STACK, 8388608, INF, INF, INF},
        {RLIMITS_CORE, 0, INF, 0, 0},
        {RLIMITS_CORE, 0, 0, INF, 0},
        {RLIMITS_STACK, INF, INF, 8388608, INF},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct rlimits found = one(table[i].name, table[i].soft, table[i].hard);
        struct rlimits wanted = one(table[i].name, table[i].wanted, INF), got;
        rlimits_raise(&found, &wanted, &got);
        if (got.v[table[i].name].rlim_cur != table[i].want ||
            got.v[table[i].name].rlim_max != table[i].hard)
            fail_msg("case %zu: %llu", i,
                     (unsigned long long)got.v[table[i].name].rlim_cur);
        wanted.known[table[i].name] = false; /* an older head says nothing */
        rlimits_raise(&found, &wanted, &got);
        assert_true(got.v[table[i].name].rlim_cur >= table[i].soft);
    }
}

static void test_words(void **state)
{
    (void)state;
    static const struct {
        enum rlimits_name name;
        rlim_t value;
        const char *want;
    } table[] = {
        {RLIMITS_MEMLOCK, 65536, "64 KiB"},
        {RLIMITS_MEMLOCK, INF, "unlimited"},
        {RLIMITS_STACK, 8388608, "8 MiB"},
        {RLIMITS_STACK, 1500, "1500 bytes"},
        {RLIMITS_CORE, 0, "0"},
        {RLIMITS_NOFILE, 1024, "1024"},
        {RLIMITS_MEMLOCK, 1ull << 40, "1 TiB"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char text[RLIMITS_VALUE];
        assert_string_equal(rlimits_value(table[i].name, table[i].value, text),
                            table[i].want);
    }
    assert_int_equal(rlimits_find("stack"), RLIMITS_STACK);
    assert_int_equal(rlimits_find("nice"), -1);
    assert_string_equal(rlimits_text(RLIMITS_NOFILE), "nofile");
}

static void test_parse(void **state)
{
    (void)state;
    struct rlimits l;
    rlimits_parse("Limit                     Soft Limit           Hard Limit    Units\n"
                  "Max core file size        0                    unlimited     bytes\n"
                  "Max open files            1024                 1048576       files\n"
                  "Max locked memory         what?\n",
                  &l);
    assert_true(l.known[RLIMITS_CORE] && l.known[RLIMITS_NOFILE]);
    assert_false(l.known[RLIMITS_MEMLOCK] || l.known[RLIMITS_STACK]);
    assert_true(l.v[RLIMITS_CORE].rlim_cur == 0 && l.v[RLIMITS_CORE].rlim_max == INF);
    assert_int_equal(l.v[RLIMITS_NOFILE].rlim_max, 1048576);
    rlimits_parse("", &l);
    assert_false(l.known[RLIMITS_CORE]);
}

static void test_own(void **state)
{
    (void)state;
    struct rlimits l, again;
    rlimits_read(&l);
    assert_true(l.known[RLIMITS_CORE]);
    l.v[RLIMITS_CORE].rlim_cur = 0;
    rlimits_apply(&l);
    rlimits_read(&again);
    assert_memory_equal(l.v, again.v, sizeof l.v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_raise),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
