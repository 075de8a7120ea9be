/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/gpufaults.h"

static struct gpufault *add(struct gpufaults *g, uint32_t node, const char *bus,
                            uint32_t xid, uint64_t n)
{
    Aolani__GpuFault f = AOLANI__GPU_FAULT__INIT;
    f.bus_id = (char *)bus;
    f.xid = xid;
    f.n = n;
    f.text = (char *)"pid=1, as the driver says it";
    return gpufaults_add(g, node, &f);
}

static void test_kinds(void **state)
{
    struct gpufaults g = {0};
    (void)state;
    assert_non_null(add(&g, 0, "0000:3b:00.0", 31, 2));
    assert_null(add(&g, 0, "0000:3b:00.0", 31, 3));
    assert_non_null(add(&g, 1, "0000:3b:00.0", 31, 1));
    assert_non_null(add(&g, 0, "0000:af:00.0", 31, 1));
    assert_non_null(add(&g, 0, "0000:3b:00.0", 43, UINT64_MAX));
    assert_null(add(&g, 0, "0000:3b:00.0", 43, 9));
    assert_int_equal(g.n, 4);
    assert_int_equal(g.all[0].n, 5);
    assert_true(g.all[3].n == UINT64_MAX);
    gpufaults_fini(&g);
    assert_int_equal(g.n, 0);
}

static void test_bounded(void **state)
{
    struct gpufaults g = {0};
    (void)state;
    for (uint32_t i = 0; i < GPUFAULTS_MOST + 10; i++)
        assert_true((add(&g, i, "0000:3b:00.0", 31, 2) != NULL) ==
                    (i < GPUFAULTS_MOST));
    assert_int_equal(g.n, GPUFAULTS_MOST);
    assert_int_equal(g.more, 20);
    gpufaults_fini(&g);
}

static void test_sentences(void **state)
{
    static const struct {
        uint32_t xid;
        const char *whose, *node, *text, *want;
    } table[] = {
        {79, "rank 3", "gpu07", "x",
         "Xid 79 of GPU 0000:3b:00.0 (rank 3) on gpu07: the GPU has fallen off the "
         "bus: "
         "hardware, power or heat"},
        {79, "", NULL, "x",
         "Xid 79 of GPU 0000:3b:00.0: the GPU has fallen off the bus: hardware, power "
         "or "
         "heat"},
        {4242, "not the job's", "n1", "pid=1, something new",
         "Xid 4242 of GPU 0000:3b:00.0 (not the job's) on n1: pid=1, something new"},
        {4242, "", "n1", "", "Xid 4242 of GPU 0000:3b:00.0 on n1"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct gpufault f = {.xid = table[i].xid, .bus = "0000:3b:00.0"};
        char got[500];
        (void)snprintf(f.whose, sizeof f.whose, "%s", table[i].whose);
        (void)snprintf(f.text, sizeof f.text, "%s", table[i].text);
        gpufault_sentence(&f, table[i].node, got, sizeof got);
        assert_string_equal(got, table[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_sentences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
