/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "launcher/netproof.h"

#define PRE       "gpu001:4711:4720 [3] NCCL INFO "
#define TAKES(n)  PRE "Using network " n "\n"
#define GETS(way) PRE "Channel 00/0 : 8[0] -> 0[0] [receive] via NET/" way "\n"
#define SENDS(w)  PRE "Channel 00/0 : 0[0] -> 8[0] [send] via NET/" w "\n"

/* A node of ranks 4, 5, ..., and what they said. */
static void test_nodes(void **state)
{
    static const struct {
        const char *said[4];
        const char *words, *lacks; /* lacks NULL: it is proven */
    } table[] = {
        {{GETS("IB/0/GDRDMA") SENDS("IB/0"), GETS("IB/1/GDRDMA")}, "ib+gdr", NULL},
        {{TAKES("IB") GETS("IB/0/GDRDMA(PCI)"), TAKES("IB")}, "ib+gdr", NULL},
        {{GETS("IBext_v8/0/GDRDMA")}, "ib+gdr", NULL},
        {{GETS("IB/0/GDRDMA"), GETS("IB/1")}, "ib+gdr, ib", "rank 5: NCCL receives"},
        {{GETS("IB/0/GDRDMA"), ""}, "ib+gdr", "rank 5 has said nothing"},
        {{"", "loss 3.5\n", GETS("IB/0/GDRDMA")}, "ib+gdr", "rank 4 has said nothing"},
        {{TAKES("IB"), TAKES("IB")}, "ib, not used", "no rank has a connection"},
        {{SENDS("IB/0/GDRDMA")}, "ib, not used", "no rank has a connection"},
        {{TAKES("Socket")}, "sockets, not used", "rank 4: NCCL has taken sockets"},
        {{GETS("Socket/0")}, "sockets", "rank 4: NCCL has taken sockets"},
        {{GETS("IB/0/GDRDMA"), GETS("AWS Libfabric/0/GDRDMA")},
         "ib+gdr, AWS Libfabric",
         "rank 5: NCCL has taken a network that is not"},
        {{TAKES("AWS Libfabric")}, "AWS Libfabric, not used", "rank 4: NCCL has taken"},
        {{"", ""}, "", "rank 4 has said nothing"},
        {{NULL}, "", "no rank has a connection"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct netproof p = {0};
        char words[64], why[200] = "";
        for (uint32_t r = 0; r < 4 && table[i].said[r]; r++) {
            struct ncclsaid *s = calloc(1, sizeof *s);
            assert_non_null(s);
            ncclsaid_add(s, table[i].said[r], strlen(table[i].said[r]));
            netproof_add(&p, 4 + r, s);
            free(s);
        }
        netproof_words(&p, words, sizeof words);
        bool holds = netproof_holds(&p, why, sizeof why);
        if (strcmp(words, table[i].words) != 0 || holds != !table[i].lacks ||
            (!holds && !strstr(why, table[i].lacks)))
            fail_msg("row %zu: \"%s\", %d \"%s\"", i, words, holds, why);
    }
}

/* Names of any length from outside: nothing is written behind what there is. */
static void test_room(void **state)
{
    struct netproof p = {.ib_gdr = true, .ib = true, .sockets = true};
    char words[12];
    (void)state;
    netproof_words(&p, words, sizeof words);
    assert_int_equal(strlen(words), sizeof words - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nodes),
        cmocka_unit_test(test_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
