/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "launcher/netwatch.h"
#include "proto/base/limits.h"

#define PRE "gpu001:4711:4720 [3] NCCL INFO "

static void test_words(void **state)
{
    static const struct {
        const char *text;
        bool fell;
    } table[] = {
        {"step 1 loss 3.5\n", false},
        {PRE "Using network IB\n", false},
        {PRE "Using network Socket\n", true},
        {PRE "Using network AWS Libfabric\n", false},
        {"they say: Using network Socket\n", false},
        {PRE "NET/IB : No device found.\n" PRE "Using network Socket\n", true},
        {PRE "Channel 00/0 : 0[0] -> 8[0] [send] via NET/Socket/0\n", true},
        {PRE "Channel 00/0 : 0[0] -> 8[0] [send] via NET/IB/0/GDRDMA\n", false},
        {PRE "Bootstrap : Using eth0:10.0.0.1<0>\n", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        for (size_t piece = 1; piece < 200; piece += 33) {
            struct netwatch *w = netwatch_create(2);
            bool fell = false;
            size_t len = strlen(table[i].text);
            for (size_t at = 0; at < len; at += piece)
                fell |= netwatch_add(w, 1, 1, table[i].text + at,
                                     len - at < piece ? len - at : piece);
            if (fell != table[i].fell)
                fail_msg("\"%s\" in pieces of %zu", table[i].text, piece);
            netwatch_destroy(w);
        }
    }
}

/* It is said once; streams are apart; ranks beyond the last are none of it. */
static void test_once(void **state)
{
    static const char text[] = PRE "Using network Socket\n";
    (void)state;
    struct netwatch *w = netwatch_create(1000);
    assert_false(netwatch_add(w, 999, 0, text, sizeof text - 1));
    assert_false(netwatch_add(w, 3, 0, text, 40));
    assert_false(netwatch_add(w, 3, 1, text + 40, sizeof text - 41));
    assert_true(netwatch_add(w, 3, 0, text + 40, sizeof text - 41));
    assert_false(netwatch_add(w, 4, 0, text, sizeof text - 1));
    netwatch_destroy(w);
    netwatch_destroy(NULL);
}

static void test_only_the_beginning(void **state)
{
    static const char text[] = PRE "Using network Socket\n";
    static char noise[65536];
    (void)state;
    struct netwatch *w = netwatch_create(1);
    memset(noise, '\n', sizeof noise);
    for (size_t at = 0; at <= LIMIT_NCCL_SAID; at += sizeof noise)
        assert_false(netwatch_add(w, 0, 0, noise, sizeof noise));
    assert_false(netwatch_add(w, 0, 0, text, sizeof text - 1));
    netwatch_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_only_the_beginning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
