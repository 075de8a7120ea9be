/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "agent/pmix/partners.c" /* of a helper, not of the agent */

static const uint32_t first_rank[] = {0, 2, 2, 5, 8}; /* node 1 has no ranks */

struct row {
    const char *ranks; /* digits; "*": all */
    const char *nodes; /* NULL: fails with -ENOENT */
};

static const struct row rows[] = {
    {"*", "023"}, {"01", "0"},    {"2", "2"},          {"17", "03"},
    {"71", "03"}, {"147", "023"}, {"01234567", "023"}, {"8", NULL},
    {"18", NULL}, {"", NULL},     {"11", "0"},
};

static int resolve(struct partners *p, const char *text, struct partners_set *ret)
{
    uint32_t ranks[16];
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++)
        ranks[i] = (uint32_t)(text[i] - '0');
    return partners_resolve(p, text[0] == '*', ranks, n, ret);
}

static struct partners *create(void)
{
    struct partners *p;
    assert_int_equal(partners_create(4, first_rank, &p), 0);
    return p;
}

static void test_nodes(void **state)
{
    (void)state;
    struct partners *p = create();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct partners_set set;
        char nodes[8] = "";
        int rc = resolve(p, rows[i].ranks, &set);
        if (rc != (rows[i].nodes ? 0 : -ENOENT))
            fail_msg("\"%s\": %d", rows[i].ranks, rc);
        if (rc)
            continue;
        for (size_t k = 0; k < set.n_nodes; k++)
            nodes[k] = (char)('0' + set.nodes[k]);
        assert_string_equal(nodes, rows[i].nodes);
        partners_set_fini(&set);
    }
    partners_destroy(p);
}

static void test_members(void **state)
{
    (void)state;
    struct partners *p = create();
    struct partners_set set;
    assert_int_equal(resolve(p, "147", &set), 0);
    assert_true(partners_has(&set, 4));
    assert_false(partners_has(&set, 5));
    partners_set_fini(&set);
    assert_int_equal(resolve(p, "*", &set), 0);
    assert_true(partners_has(&set, 5));
    partners_set_fini(&set);
    partners_destroy(p);
}

/* Two nodes that go through the same collectives, others between, agree on every name. */
static void test_keys(void **state)
{
    static const char *const order[2][6] = {{"17", "01", "17", "*", "17", "*"},
                                            {"*", "71", "17", "34", "*", "17"}};
    (void)state;
    struct partners *p[2] = {create(), create()};
    struct partners_set set[2][6];
    for (int node = 0; node < 2; node++)
        for (int i = 0; i < 6; i++)
            assert_int_equal(resolve(p[node], order[node][i], &set[node][i]), 0);
    static const int same[][2] = {{0, 1}, {2, 2}, {4, 5}, {3, 0}, {5, 4}};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        assert_memory_equal(set[0][same[i][0]].key, set[1][same[i][1]].key,
                            PARTNERS_KEY_BYTES);
    for (int i = 0; i < 6; i++)
        for (int k = 0; k < i; k++)
            assert_memory_not_equal(set[0][i].key, set[0][k].key, PARTNERS_KEY_BYTES);
    for (int i = 0; i < 6; i++) {
        partners_set_fini(&set[0][i]);
        partners_set_fini(&set[1][i]);
    }
    partners_destroy(p[0]);
    partners_destroy(p[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nodes),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
