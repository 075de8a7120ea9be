/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/failures.h"

#define REFUSED "connection refused"

static void test_table(void **state)
{
    static const struct {
        struct failure all[5];
        const char *want;
    } table[] = {
        {{{0}}, ""},
        {{{"n1", REFUSED, ""}}, "n1: connection refused"},
        {{{"gpu003", REFUSED, ""}, {"x", "no", "try y"}, {"gpu007", REFUSED, ""}},
         "gpu[003,007]: connection refused; x: no (try y)"},
        {{{"n1", "ssh: n1: no such host", ""}, {"n2", "ssh: n2: no such host", ""}},
         "n[1-2]: ssh: <host>: no such host"},
        {{{"me@n1", "to n1: no", ""}, {"me@n2", "to n2: no", ""}},
         "me@n[1-2]: to <host>: no"},
        {{{"n1", "to n11: no", ""}, {"n2", "to n11: no", ""}}, "n[1-2]: to n11: no"},
        {{{"fd00::1", "connect to fd00::1 port 22", ""}},
         "fd00::1: connect to fd00::1 port 22"},
        {{{"", "no", ""}}, ": no"},
        {{{"a", "x", "do y"}, {"b", "z", "do y"}, {"c", "w", "do v"}, {"d", "u", ""}},
         "a: x (do y); b: z; c: w (do v); d: u"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char text[400];
        size_t n = 0;
        while (n < 5 && table[i].all[n].name)
            n++;
        failures_format(table[i].all, n, text, sizeof text);
        assert_string_equal(text, table[i].want);
    }
}

static struct failure *many(size_t n, const char *name, const char *error)
{
    struct failure *all = calloc(n, sizeof *all);
    for (size_t i = 0; i < n; i++) {
        char *a, *b;
        assert_true(asprintf(&a, name, i) > 0);
        assert_true(asprintf(&b, error, i) > 0);
        all[i] = (struct failure){a, b, ""};
    }
    return all;
}

static void many_free(struct failure *all, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free((char *)all[i].name);
        free((char *)all[i].error);
    }
    free(all);
}

static void test_bounds(void **state)
{
    static const struct {
        size_t n;
        const char *name, *error, *begins, *ends;
    } table[] = {
        {900, "gpu%zu", REFUSED, "gpu[0-899]: connection", "refused"},
        {900, "rack%zu-x", REFUSED, "rack[0-899]-x: connection", "refused"},
        /* Names that hardly fold. */
        {900, "%zx-of-all", REFUSED, "", " more: connection refused"},
        /* No two alike. */
        {900, "n%zu", "error %zu", "n0: error 0; n1: error 1;", " more nodes failed"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct failure *all = many(table[i].n, table[i].name, table[i].error);
        char text[600];
        failures_format(all, table[i].n, text, sizeof text);
        size_t len = strlen(text), end = strlen(table[i].ends);
        if (strncmp(text, table[i].begins, strlen(table[i].begins)) != 0)
            fail_msg("%s", text);
        assert_true(len > end && len < sizeof text - 1);
        assert_string_equal(text + len - end, table[i].ends);
        many_free(all, table[i].n);
    }
}

/* Every kind of name, at its worst: all is within the text, and the names are whole. */
static void test_names_are_never_cut(void **state)
{
    (void)state;
    for (size_t n = 1; n < 90; n++) {
        struct failure *all = many(n, "h%zu-a-long-name-of-its-own_", REFUSED);
        char text[400];
        for (size_t i = 0; i < n; i++) { /* no two share a beginning and an end */
            char *name = (char *)all[i].name;
            name[0] = (char)('a' + i % 26);
            name[strlen(name) - 1] = (char)('a' + i / 26);
        }
        failures_format(all, n, text, sizeof text);
        assert_non_null(strstr(text, ": connection refused"));
        assert_null(strstr(text, "..."));
        assert_int_equal(strchr(text, '[') != NULL, strchr(text, ']') != NULL);
        many_free(all, n);
    }
}

static void test_a_name_without_end(void **state)
{
    (void)state;
    char name[400], text[600];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    struct failure f = {name, REFUSED, ""};
    failures_format(&f, 1, text, sizeof text);
    assert_non_null(strstr(text, "nnn...: connection refused"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_names_are_never_cut),
        cmocka_unit_test(test_a_name_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
