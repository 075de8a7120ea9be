/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "launcher/variance/ncclfacts.h"

#define NODES 4u
#define LONG  "a-node-whose-name-is-longer-than-anybody-would-want-to-read-in-a-line"

static const uint32_t first_rank[] = {0, 2, 4, 6, 8};

static const char *name(const void *arg, uint32_t node)
{
    return ((const char *const *)arg)[node];
}

/* Two ranks a node: a version of the interface each; 'n' and more: NCCL without one. */
static void test_words(void **state)
{
    static const struct {
        const char *ranks;
        const char *tables, *lacking;
    } t[] = {
        {"........", "", ""},
        {"55555555", "profiler v5", ""},
        {"5.......", "profiler v5", ""},
        {"33......", "profiler v3", ""},
        {"55553355", "profiler v5, v3 on c", ""},
        {"55543355", "profiler v5, v4 on b, v3 on c", ""},
        {"55333333", "profiler v3, v5 on a", ""},
        {"55553333", "profiler v5, v3 on c and 1 more node", ""},
        {"55223311", "profiler v5, v3 on c, v2 on b, v1 on " LONG, ""},
        {"7x......", "", ""},
        {"......u.", "",
         "no profiler for this NCCL on " LONG
         ": it is older than 2.23, or could not load ours"},
        {"o.......", "", "no profiler for this NCCL on a: 2.20.5 has none, 2.23 has"},
        {"55o.o5oo", "profiler v5",
         "no profiler for this NCCL on b and 2 more nodes: 2.20.5 has none, 2.23 has"},
        {"..n.....", "",
         "no profiler for this NCCL on b: 2.26.2 did not load ours (NCCL_DEBUG=INFO "
         "says "
         "why)"},
        {"..y.....", "",
         "no profiler for this NCCL on b: it is older than 2.23, or could "
         "not load ours"},
    };
    static const char *const names[NODES] = {"a", "b", "c", LONG};
    struct ncclfacts_config c = {NODES, first_rank, name, names};
    char text[NCCLFACTS_TEXT], want[NCCLFACTS_TEXT + 80];
    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct ncclfacts *f;
        assert_int_equal(ncclfacts_create(&c, &f), 0);
        for (uint32_t r = 0; r < 8; r++) {
            char k = t[i].ranks[r];
            uint32_t table = k >= '0' && k <= '9' ? (uint32_t)(k - '0')
                             : k == 'x'           ? UINT32_MAX
                                                  : 0;
            uint32_t without = k == 'u'   ? 1
                               : k == 'o' ? 22005
                               : k == 'n' ? 22602
                               : k == 'y' ? UINT32_MAX
                                          : 0;
            assert_int_equal(ncclfacts_told(f, r, table, without),
                             (table > 0 && table <= 5) || without > 0);
            assert_false(ncclfacts_told(f, r, table, without));
        }
        assert_false(ncclfacts_told(f, 8, 5, 0));
        ncclfacts_tables(f, text);
        (void)snprintf(want, sizeof want, "%s", t[i].tables);
        char *cut = strstr(want, LONG);
        if (cut)
            memmove(cut + 48, cut + strlen(LONG), strlen(cut + strlen(LONG)) + 1);
        assert_string_equal(text, want);
        ncclfacts_lacking(f, text);
        (void)snprintf(want, sizeof want, "%s", t[i].lacking);
        if ((cut = strstr(want, LONG)))
            memmove(cut + 48, cut + strlen(LONG), strlen(cut + strlen(LONG)) + 1);
        assert_string_equal(text, want);
        ncclfacts_destroy(f);
    }
    ncclfacts_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_words)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
