/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "launcher/nodes.h"

static void test_table(void **state)
{
    static const struct {
        enum spec_backend backend;
        const char *hosts[3];
        int count, local;
        int rc;
        const char *names; /* or a part of the error */
    } table[] = {
        {BACKEND_LOCAL, {0}, 0, 0, 0, "local0 "},
        {BACKEND_LOCAL, {0}, 0, 3, 0, "local0 local1 local2 "},
        {BACKEND_SSH, {"b,a"}, 0, 0, 0, "b a "},
        {BACKEND_SSH, {"n[08-10]", "u@x"}, 0, 0, 0, "n08 n09 n10 u@x "},
        {BACKEND_SSH, {"n[1-9]"}, 2, 0, 0, "n1 n2 "},
        {BACKEND_SSH, {"n[1-2]"}, 3, 0, ERR_USAGE, "asks for 3 nodes"},
        {BACKEND_SSH, {0}, 0, 0, ERR_USAGE, "the host list has 0"},
        {BACKEND_SSH, {"n[1-20000]"}, 0, 0, ERR_USAGE, "20000 nodes are more than"},
        {BACKEND_SSH, {"a", "n[1"}, 0, 0, ERR_PARSE, "host list"},
        {BACKEND_SSH, {"-oProxyCommand=x"}, 0, 0, ERR_PARSE, "cannot start with"},
        {BACKEND_SLURM, {0}, 0, 0, ERR_USAGE, "SLURM_JOB_ID"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct spec s = {0};
        struct nodes n = {0};
        struct err e = {0};
        char names[200] = "";
        s.nodes.backend = table[i].backend;
        s.nodes.count = table[i].count;
        s.local.nodes = table[i].local;
        for (size_t k = 0; k < 3 && table[i].hosts[k]; k++)
            assert_int_equal(strlist_add(&s.nodes.hosts, table[i].hosts[k]), 0);
        assert_int_equal(nodes_resolve(&s, &n, &e), table[i].rc);
        for (size_t k = 0; k < n.n; k++) {
            strcat(names, n.names[k]);
            strcat(names, " ");
        }
        if (table[i].rc == 0)
            assert_string_equal(names, table[i].names);
        else
            assert_non_null(strstr(e.text, table[i].names));
        assert_true(table[i].rc == 0 || n.n == 0);
        nodes_fini(&n);
        strlist_fini(&s.nodes.hosts);
    }
}

static void test_spares(void **state)
{
    static const struct {
        const char *hosts;
        int count, spares, rc;
        const char *names, *kept; /* or a part of the error */
    } table[] = {
        {"n[1-5]", 2, 2, 0, "n1 n2 ", "n3 n4 "},
        {"n[1-5]", 0, 2, 0, "n1 n2 n3 ", "n4 n5 "},
        {"n[1-5]", 5, 0, 0, "n1 n2 n3 n4 n5 ", ""},
        {"n[1-5]", 4, 2, ERR_USAGE, "asks for 6 nodes and spares, the host list has 5",
         ""},
        {"n[1-5]", 0, 5, ERR_USAGE, "the host list has 5", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct spec s = {0};
        struct nodes n = {0};
        struct err e = {0};
        char names[200] = "", kept[200] = "";
        s.nodes.backend = BACKEND_SSH;
        s.nodes.count = table[i].count;
        s.nodes.spares = table[i].spares;
        assert_int_equal(strlist_add(&s.nodes.hosts, table[i].hosts), 0);
        assert_int_equal(nodes_resolve(&s, &n, &e), table[i].rc);
        for (size_t k = 0; k < n.n; k++)
            strcat(strcat(names, n.names[k]), " ");
        for (size_t k = 0; k < n.n_spares; k++)
            strcat(strcat(kept, n.spares[k]), " ");
        if (table[i].rc == 0)
            assert_string_equal(names, table[i].names);
        else
            assert_non_null(strstr(e.text, table[i].names));
        assert_string_equal(kept, table[i].kept);
        nodes_fini(&n);
        strlist_fini(&s.nodes.hosts);
    }
}

static void test_spares_are_taken_in_order(void **state)
{
    struct spec s = {0};
    struct nodes n;
    (void)state;
    s.nodes.backend = BACKEND_SSH;
    s.nodes.spares = 2;
    assert_int_equal(strlist_add(&s.nodes.hosts, "n[1-4]"), 0);
    assert_int_equal(nodes_resolve(&s, &n, NULL), 0);
    assert_string_equal(nodes_take_spare(&n, 1), "n2");
    assert_string_equal(n.names[1], "n3");
    assert_string_equal(nodes_take_spare(&n, 1), "n3"); /* no better than the first */
    assert_string_equal(n.names[1], "n4");
    assert_int_equal(n.n_replaced[1], 2);
    assert_null(nodes_take_spare(&n, 0));
    assert_string_equal(n.names[0], "n1");
    nodes_fini(&n);
    strlist_fini(&s.nodes.hosts);
}

static void test_spares_are_enlisted(void **state)
{
    struct spec s = {0};
    struct nodes n;
    (void)state;
    s.nodes.backend = BACKEND_SSH;
    s.nodes.spares = 2;
    assert_int_equal(strlist_add(&s.nodes.hosts, "n[1-4]"), 0);
    assert_int_equal(nodes_resolve(&s, &n, NULL), 0);
    nodes_enlist_spares(&n);
    assert_int_equal(n.n, 4);
    assert_string_equal(n.names[3], "n4");
    assert_null(nodes_take_spare(&n, 0));
    nodes_fini(&n);
    strlist_fini(&s.nodes.hosts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_spares),
        cmocka_unit_test(test_spares_are_taken_in_order),
        cmocka_unit_test(test_spares_are_enlisted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
