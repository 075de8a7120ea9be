/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/envbase.h"

static Aolani__KeyValue kv_of(const char *key, const char *value)
{
    Aolani__KeyValue kv = AOLANI__KEY_VALUE__INIT;
    kv.key = (char *)key;
    kv.value = (char *)value;
    return kv;
}

static void test_join(void **state)
{
    (void)state;
    static const struct {
        const char *first, *then, *want;
    } table[] = {
        {"/venv/bin:/usr/bin", "/usr/bin:/opt/slurm/bin",
         "/venv/bin:/usr/bin:/opt/slurm/bin"},
        {"/a", "", "/a"},
        {"", "/a:/b", "/a:/b"},
        {"", "", ""},
        {"/a", "/a:/a/b:/a", "/a:/a/b"},
        {"/a", "::/b:", "/a:/b"}, /* the node's working directory is nobody's wish */
        {"/a::/b", "/c", "/a::/b:/c"}, /* the user's own stays */
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char *got = envbase_join(table[i].first, table[i].then);
        if (strcmp(got, table[i].want) != 0)
            fail_msg("\"%s\" and \"%s\": \"%s\"", table[i].first, table[i].then, got);
        free(got);
    }
}

static void test_extends(void **state)
{
    (void)state;
    static const struct {
        const char *now, *old;
        bool want;
    } table[] = {
        {"/a:/b", "/a:/b", true},
        {"/x:/a:/b", "/a:/b", true},
        {"/a:/b:/x", "/a:/b", true},
        {"/a:/x:/b", "/a:/b", false},
        {"16", "1", false},
        {"61", "1", false},
        {"/a", "", false},
        {"", "/a", false},
        {"", "", false},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (envbase_extends(table[i].now, table[i].old) != table[i].want)
            fail_msg("\"%s\" after \"%s\"", table[i].now, table[i].old);
    }
}

static void check(const struct envlist *l, const char *name, const char *want)
{
    const char *got = envlist_value(l, name);
    if ((got == NULL) != (want == NULL) || (got && strcmp(got, want) != 0))
        fail_msg("%s is \"%s\", not \"%s\"", name, got ? got : "(unset)",
                 want ? want : "(unset)");
}

static char *const own[] = {"PATH=/bin:/opt/node",
                            "HOME=/home/u",
                            "PMIX_RANK=3",
                            "OMPI_COMM_WORLD_RANK=9",
                            "AOLANI_MARK=x.1",
                            "TORCHELASTIC_RUN_ID=old",
                            "broken",
                            "LANG=node",
                            "TMPDIR=/scratch",
                            NULL};

static void test_layers(void **state)
{
    (void)state;
    static const struct {
        const char *name, *node, *clean;
    } table[] = {
        {"PATH", "/venv/bin:/bin:/opt/node", "/venv/bin:/bin:/usr/local/bin:/usr/bin"},
        {"LD_LIBRARY_PATH", "/cuda", "/cuda"},
        {"LANG", "head", "head"},
        {"HOME", "/home/u", "/home/u"},
        {"TMPDIR", "/scratch", "/scratch"},
        {"PMIX_RANK", NULL, NULL}, /* of an outer launcher */
        {"TORCHELASTIC_RUN_ID", NULL, NULL},
        {"AOLANI_MARK", NULL, NULL},
        {"OMPI_COMM_WORLD_SIZE", NULL, NULL}, /* also when the head has it */
        {"broken", NULL, NULL},
    };
    Aolani__KeyValue kv[] = {
        kv_of("PATH", "/venv/bin:/bin"), kv_of("LD_LIBRARY_PATH", "/cuda"),
        kv_of("LANG", "head"),           kv_of("OMPI_COMM_WORLD_SIZE", "4"),
        kv_of("", "nameless"),           kv_of("X=Y", "two")};
    Aolani__KeyValue *list[] = {&kv[0], &kv[1], &kv[2], &kv[3], &kv[4], &kv[5]};
    Aolani__Prepare plan = AOLANI__PREPARE__INIT;
    plan.forwarded = list;
    plan.n_forwarded = 6;
    for (int clean = 0; clean < 2; clean++) {
        struct envlist l = {0};
        plan.clean_env = clean;
        assert_int_equal(envbase_build(own, &plan, &l, NULL), 0);
        for (size_t i = 0; i < sizeof table / sizeof *table; i++)
            check(&l, table[i].name, clean ? table[i].clean : table[i].node);
        check(&l, "X", NULL);
        envlist_fini(&l);
    }
}

static void test_dump(void **state)
{
    (void)state;
    static const char dump[] = "A=1\0PWD=/x\0_=/usr/bin/env\0"
                               "BASH_FUNC_module%%=() {  echo\n}\0AOLANI_MARK=m\0"
                               "OMPI_MCA_pmix=ours\0noise\0CUT=no end";
    struct envlist l = {0};
    assert_int_equal(envbase_from_dump(dump, sizeof dump - 1, &l, NULL), 0);
    assert_int_equal(l.n, 3);
    check(&l, "A", "1");
    check(&l, "BASH_FUNC_module%%", "() {  echo\n}");
    check(&l, "OMPI_MCA_pmix", "ours"); /* a module set it, no launcher */
    envlist_fini(&l);
}

static void test_fits(void **state)
{
    (void)state;
    static const struct {
        size_t bytes, n, stack;
        int rc;
        const char *says;
    } table[] = {
        {100, 3, 8u << 20, 0, NULL},
        {131071, 3, 8u << 20, 0, NULL},
        {131072, 1, 8u << 20, -E2BIG, "\"V0\" has 131072 bytes"},
        {100000, 30, 8u << 20, -E2BIG,
         "Linux takes 2097152 here; \"V0\" alone has 100000"},
        {100000, 30, 64u << 20, 0, NULL},
        {100000, 70, SIZE_MAX, -E2BIG, "Linux takes 6291456 here"},
        {100000, 1, 256u << 10, 0, NULL}, /* 128 KiB in any case */
        {100000, 2, 256u << 10, -E2BIG, "Linux takes 131072 here"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct envlist l = {0};
        struct err e = {0};
        char *argv[] = {(char *)"program", NULL}, *text = malloc(table[i].bytes + 1);
        memset(text, 'x', table[i].bytes);
        for (size_t k = 0; k < table[i].n; k++) {
            /* "V0=xxx": of the length asked for. */
            int head = k < 10 ? 3 : 4;
            assert_int_equal(
                envlist_set(&l, "V%zu=%.*s", k, (int)table[i].bytes - head, text), 0);
        }
        int rc = envbase_fits(l.v, argv, table[i].stack, &e);
        if (rc != table[i].rc || (rc < 0 && !strstr(e.text, table[i].says)))
            fail_msg("case %zu: %d, \"%s\"", i, rc, e.text);
        free(text);
        envlist_fini(&l);
    }
}

static void test_list(void **state)
{
    (void)state;
    struct envlist l = {0};
    assert_int_equal(envlist_set(&l, "A=1"), 0);
    assert_int_equal(envlist_set(&l, "AB=2"), 0);
    assert_int_equal(envlist_set(&l, "C=3"), 0);
    assert_int_equal(envlist_set(&l, "A=4"), 0);
    assert_int_equal(l.n, 3);
    check(&l, "A", "4");
    assert_null(l.v[3]);
    assert_int_equal(envlist_take(&l, NULL), -ENOMEM);
    envlist_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_join),   cmocka_unit_test(test_extends),
        cmocka_unit_test(test_layers), cmocka_unit_test(test_dump),
        cmocka_unit_test(test_fits),   cmocka_unit_test(test_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
