/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "launcher/netwatch.h"
#include "proto/base/limits.h"

#define assert_nothing(f) assert_int_equal((f), NETPROOF_NONE)
#define PRE               "gpu001:4711:4720 [3] NCCL INFO "

static void test_words(void **state)
{
    static const struct {
        const char *text;
        enum netproof_fault ib, gdr; /* against "ib", against "ib+gdr" */
    } table[] = {
        {"step 1 loss 3.5\n", NETPROOF_NONE, NETPROOF_NONE},
        {PRE "Using network IB\n", NETPROOF_NONE, NETPROOF_NONE},
        {PRE "Using network IBext_v8\n", NETPROOF_NONE, NETPROOF_NONE},
        {PRE "Using network Socket\n", NETPROOF_SOCKETS, NETPROOF_SOCKETS},
        {PRE "Using network AWS Libfabric\n", NETPROOF_NONE, NETPROOF_OTHER},
        {"they say: Using network Socket\n", NETPROOF_NONE, NETPROOF_NONE},
        {PRE "NET/IB : No device found.\n" PRE "Using network Socket\n",
         NETPROOF_SOCKETS, NETPROOF_SOCKETS},
        {PRE "Channel 00/0 : 0[0] -> 8[0] [send] via NET/Socket/0\n", NETPROOF_SOCKETS,
         NETPROOF_SOCKETS},
        {PRE "Channel 00/0 : 0[0] -> 8[0] [send] via NET/IB/0/GDRDMA\n", NETPROOF_NONE,
         NETPROOF_NONE},
        {PRE "Channel 00/0 : 0[0] -> 8[0] [send] via NET/IB/0\n", NETPROOF_NONE,
         NETPROOF_NONE},
        {PRE "Channel 00/0 : 8[0] -> 0[0] [receive] via NET/IB/0\n", NETPROOF_NONE,
         NETPROOF_NO_GDR},
        {PRE "Channel 00/0 : 8[0] -> 0[0] [receive] via NET/Libfabric/0/GDRDMA\n",
         NETPROOF_NONE, NETPROOF_OTHER},
        {PRE "Bootstrap : Using eth0:10.0.0.1<0>\n", NETPROOF_NONE, NETPROOF_NONE},
    };
    (void)state;
    for (size_t i = 0; i < 2 * (sizeof table / sizeof *table); i++) {
        bool gdr = i % 2;
        const char *text = table[i / 2].text;
        enum netproof_fault want = gdr ? table[i / 2].gdr : table[i / 2].ib;
        for (size_t piece = 1; piece < 200; piece += 33) {
            struct netwatch *w = netwatch_create(2, gdr);
            enum netproof_fault found = NETPROOF_NONE;
            size_t len = strlen(text);
            for (size_t at = 0; at < len && found == NETPROOF_NONE; at += piece)
                found = netwatch_add(w, 1, 1, text + at,
                                     len - at < piece ? len - at : piece);
            if (found != want)
                fail_msg("\"%s\" in pieces of %zu, %d", text, piece, gdr);
            netwatch_destroy(w);
        }
    }
}

/* It is said once; streams are apart; ranks beyond the last are none of it. */
static void test_once(void **state)
{
    static const char text[] = PRE "Using network Socket\n";
    (void)state;
    struct netwatch *w = netwatch_create(1000, false);
    assert_nothing(netwatch_add(w, 999, 0, text, sizeof text - 1));
    assert_nothing(netwatch_add(w, 3, 0, text, 40));
    assert_nothing(netwatch_add(w, 3, 1, text + 40, sizeof text - 41));
    assert_int_equal(netwatch_add(w, 3, 0, text + 40, sizeof text - 41),
                     NETPROOF_SOCKETS);
    assert_nothing(netwatch_add(w, 4, 0, text, sizeof text - 1));
    netwatch_destroy(w);
    netwatch_destroy(NULL);
}

/* What an agent has heard is judged alike, of ranks without end. */
static void test_heard(void **state)
{
    static const char text[] = PRE "Using network Socket\n";
    static struct ncclsaid good = {.network = "IB"}, bad = {.network = "Socket"};
    (void)state;
    struct netwatch *w = netwatch_create(1, false);
    assert_nothing(netwatch_said(w, &good));
    assert_int_equal(netwatch_said(w, &bad), NETPROOF_SOCKETS);
    assert_nothing(netwatch_said(w, &bad));
    assert_nothing(netwatch_add(w, 0, 0, text, sizeof text - 1));
    netwatch_destroy(w);
}

static void test_only_the_beginning(void **state)
{
    static const char text[] = PRE "Using network Socket\n";
    static char noise[65536];
    (void)state;
    struct netwatch *w = netwatch_create(1, true);
    memset(noise, '\n', sizeof noise);
    for (size_t at = 0; at <= LIMIT_NCCL_SAID; at += sizeof noise)
        assert_nothing(netwatch_add(w, 0, 0, noise, sizeof noise));
    assert_nothing(netwatch_add(w, 0, 0, text, sizeof text - 1));
    netwatch_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_heard),
        cmocka_unit_test(test_only_the_beginning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
