/* SPDX-License-Identifier: MIT */
/* One bootstrap for many agents: each finds itself, or is not meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/bootstrap.h"
#include "proto/base/cur.h"
#include "proto/base/limits.h"
#include "proto/wire/secure.h"

#define N_GROUP 3

static uint8_t job_key[SECURE_KEY_BYTES] = "the key of the job", run[SECURE_RUN_BYTES];

/* "AOLB", length, and a group of n1..n3, indexes 4..6 of 9. */
static size_t pack(uint8_t *to, const char *odd_name, uint32_t odd_index)
{
    Aolani__Boot m = AOLANI__BOOT__INIT;
    Aolani__BootNode all[N_GROUP], *list[N_GROUP];
    static const char *const names[N_GROUP] = {"n1", "n2", "n3"};
    for (uint32_t i = 0; i < N_GROUP; i++) {
        aolani__boot_node__init(&all[i]);
        all[i].name = (char *)(i == 1 && odd_name ? odd_name : names[i]);
        all[i].index = i == 1 && odd_index ? odd_index : 4 + i;
        all[i].generation = 0x10000 + i;
        list[i] = &all[i];
    }
    m.run_id.data = run;
    m.run_id.len = sizeof run;
    m.key.data = job_key;
    m.key.len = sizeof job_key;
    m.n_nodes = 9;
    m.group = list;
    m.n_group = N_GROUP;
    size_t len = aolani__boot__pack(&m, to + 8);
    memcpy(to, "AOLB", 4);
    put_u32(to + 4, (uint32_t)len);
    return len + 8;
}

/* From a file: more bytes than a pipe takes. */
static int read_it(const void *first, size_t n_first, const void *then, size_t n_then,
                   uint64_t skip, Aolani__Boot **ret)
{
    FILE *f = tmpfile();
    assert_non_null(f);
    assert_int_equal(fwrite(first, 1, n_first, f), n_first);
    assert_int_equal(fwrite(then, 1, n_then, f), n_then);
    assert_int_equal(fflush(f), 0);
    assert_int_equal(lseek(fileno(f), 0, SEEK_SET), 0);
    int rc = bootstrap_read(fileno(f), skip, ret, NULL);
    (void)fclose(f);
    return rc;
}

static void test_find_self(void **state)
{
    (void)state;
    static const struct {
        const char *node;
        int rc;
        uint32_t index, generation;
    } table[] = {
        {"n1", 0, 4, 0x10000},
        {"n2", 0, 5, 0x10001},
        {"n3", 0, 6, 0x10002},
        {"n4", BOOTSTRAP_NOT_MEANT, 0, 0},
        {"", BOOTSTRAP_NOT_MEANT, 0, 0},
        {"n", BOOTSTRAP_NOT_MEANT, 0, 0},
        {"n11", BOOTSTRAP_NOT_MEANT, 0, 0},
        {NULL, ERR_PROTO, 0, 0},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        uint8_t bytes[512];
        struct secure_key job, own;
        Aolani__Boot *b = NULL;
        struct err e;
        assert_int_equal(read_it(bytes, 0, bytes, pack(bytes, NULL, 0), 0, &b), 0);
        assert_int_equal(bootstrap_find_self(b, table[i].node, &e), table[i].rc);
        if (table[i].rc == 0) {
            memcpy(job.b, job_key, sizeof job.b);
            secure_node_key(&job, table[i].index, table[i].generation, &own);
            assert_int_equal(b->node_index, table[i].index);
            assert_string_equal(b->node_name, table[i].node);
            assert_memory_equal(b->key.data, own.b, sizeof own.b);
        }
        bootstrap_free(b);
    }
}

static void test_groups_that_lie(void **state)
{
    (void)state;
    static char long_name[LIMIT_HOST_NAME + 2];
    uint8_t bytes[1024];
    Aolani__Boot *b = NULL;
    memset(long_name, 'n', sizeof long_name - 1);
    assert_int_equal(read_it(bytes, 0, bytes, pack(bytes, NULL, 8), 0, &b), 0);
    bootstrap_free(b);
    assert_int_equal(read_it(bytes, 0, bytes, pack(bytes, NULL, 9), 0, &b), ERR_PROTO);
    assert_int_equal(read_it(bytes, 0, bytes, pack(bytes, "", 0), 0, &b), ERR_PROTO);
    assert_int_equal(read_it(bytes, 0, bytes, pack(bytes, long_name, 0), 0, &b),
                     ERR_PROTO);
}

/* Bytes for other nodes come before it, whole, or not at all. */
static void test_skip(void **state)
{
    (void)state;
    static uint8_t others[100000] = "\177ELF";
    static const struct {
        size_t come, skip;
        int rc;
    } table[] = {
        {0, 0, 0},
        {0, sizeof others, 0},
        {sizeof others, sizeof others, 0},
        {9, 9, 0},
        {sizeof others, 0, ERR_PROTO},
        {sizeof others, sizeof others - 1, ERR_PROTO},
        {sizeof others - 1, sizeof others, ERR_PROTO},
        {8, 8, ERR_PROTO}, /* no bundle is so small */
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        uint8_t bytes[512];
        Aolani__Boot *b = NULL;
        size_t len = pack(bytes, NULL, 0);
        assert_int_equal(read_it(others, table[i].come, bytes, len, table[i].skip, &b),
                         table[i].rc);
        if (table[i].rc == 0)
            bootstrap_free(b);
    }
}

/* A bootstrap for one has nobody to look for. */
static void test_alone(void **state)
{
    (void)state;
    Aolani__Boot b = AOLANI__BOOT__INIT;
    assert_int_equal(bootstrap_find_self(&b, NULL, NULL), 0);
    assert_int_equal(bootstrap_find_self(&b, "n1", NULL), 0);
}

static int set_up(void **state)
{
    (void)state;
    return secure_init(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find_self),
        cmocka_unit_test(test_groups_that_lie),
        cmocka_unit_test(test_skip),
        cmocka_unit_test(test_alone),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
