/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/wire/message.h"
#include "proto/wire/ncclsaid_message.h"

#define P "gpu001:4711:4720 [3] NCCL INFO "

static struct ncclsaid said, taken;
static struct ncclsaid_message packed;

/* Over the wire and back it is the same. */
static Aolani__NcclSaid *pass(void)
{
    static uint8_t bytes[1u << 16];
    ncclsaid_fill(&said, 3, &packed);
    size_t len = aolani__nccl_said__pack(&packed.m, bytes);
    assert_true(len <= message_rule(MSG_NCCL_SAID)->max_payload);
    Aolani__NcclSaid *m = aolani__nccl_said__unpack(NULL, len, bytes);
    assert_non_null(m);
    return m;
}

static void assert_same(const Aolani__NcclSaid *a, const Aolani__NcclSaid *b)
{
    uint8_t of_a[1u << 14], of_b[1u << 14];
    size_t len = aolani__nccl_said__pack(a, of_a);
    assert_int_equal(aolani__nccl_said__pack(b, of_b), len);
    assert_memory_equal(of_a, of_b, len);
}

static void there_and_back(void **state)
{
    static const char text[] =
        P "NET/IB : Using [0]mlx5_0:1/IB [7]mlx5_1:1/RoCE [RO]; OOB eth0:1<0>\n" P
          "Using network AWS Libfabric\n" P
          "Channel 00/0 : 8[0] -> 0[0] [receive] via NET/IB/7/GDRDMA\n" P
          "Channel 01/0 : 3[3] -> 8[0] [send] via NET/IB/0(2)/Shared\n" P
          "NET/IB : No device found.\nNCCL WARN one\nNCCL WARN two\n";
    (void)state;
    memset(&said, 0, sizeof said);
    memset(&taken, 0, sizeof taken);
    ncclsaid_add(&said, text, sizeof text - 1);
    Aolani__NcclSaid *m = pass();
    assert_int_equal(m->rank, 3);
    assert_int_equal(m->n_nets, 2);
    assert_int_equal(m->n_uses, 2);
    assert_int_equal(m->n_warnings, 2);
    assert_true(m->no_device);
    assert_string_equal(m->network, "AWS Libfabric");
    assert_string_equal(m->ib, "NET/IB : No device found.");
    assert_int_equal(ncclsaid_take(m, &taken, NULL), 0);
    assert_int_equal(taken.n_changes, said.n_changes);
    said = taken;
    Aolani__NcclSaid *again = pass();
    assert_same(m, again);
    aolani__nccl_said__free_unpacked(again, NULL);
    aolani__nccl_said__free_unpacked(m, NULL);
}

/* As much as there can be fits into a message. */
static void the_most(void **state)
{
    char line[400], words[300];
    (void)state;
    memset(&said, 0, sizeof said);
    memset(words, 'w', sizeof words - 1);
    words[sizeof words - 1] = '\0';
    for (unsigned i = 0; i < 500; i++) {
        int n = snprintf(line, sizeof line,
                         P "Channel 00/0 : 8[0] -> 0[0] [receive] via "
                           "NET/twenty-three characters/%u(1)/GDRDMA\n" P
                           "NET/IB : Using [%u]%.60s%u:1/IB\n",
                         900000 + i, i, words, i % 10);
        ncclsaid_add(&said, line, (size_t)n);
        n = snprintf(line, sizeof line, "NCCL WARN %u %s\n", i, words);
        ncclsaid_add(&said, line, (size_t)n);
    }
    assert_int_equal(said.n_uses, NCCLSAID_USES);
    assert_int_equal(said.n_warnings, NCCLSAID_WARNINGS);
    Aolani__NcclSaid *m = pass();
    assert_int_equal(m->n_nets, NCCLSAID_NETS);
    assert_int_equal(ncclsaid_take(m, &taken, NULL), 0);
    aolani__nccl_said__free_unpacked(m, NULL);
}

static void refused(void **state)
{
    static const struct {
        const char *network, *net, *transport;
        uint32_t dev;
        size_t n_nets, n_uses, n_warnings;
    } rows[] = {
        {"\x1b[2J", "a", "IB", 0, 1, 1, 1},
        {"a name that is longer than any transport's", "a", "IB", 0, 1, 1, 1},
        {"IB", "", "IB", 0, 1, 1, 1},
        {"IB", "a/b", "IB", 0, 1, 1, 1},
        {"IB", "a", "IB", NCCLSAID_NETS, 1, 1, 1},
        {"IB", "a", "", 0, 1, 1, 1},
        {"IB", "a", "I/B", 0, 1, 1, 1},
        {"IB", "a", "IB", 0, NCCLSAID_NETS + 1, 1, 1},
        {"IB", "a", "IB", 0, 1, NCCLSAID_USES + 1, 1},
        {"IB", "a", "IB", 0, 1, 1, NCCLSAID_WARNINGS + 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Aolani__NcclSaid__Net net = AOLANI__NCCL_SAID__NET__INIT,
                              *nets[NCCLSAID_NETS + 1];
        Aolani__NcclSaid__Use use = AOLANI__NCCL_SAID__USE__INIT,
                              *uses[NCCLSAID_USES + 1];
        char *warnings[NCCLSAID_WARNINGS + 1];
        Aolani__NcclSaid m = AOLANI__NCCL_SAID__INIT;
        struct err e;
        net.dev = rows[i].dev;
        net.name = (char *)rows[i].net;
        use.transport = (char *)rows[i].transport;
        for (size_t k = 0; k < rows[i].n_nets; k++)
            nets[k] = &net;
        for (size_t k = 0; k < rows[i].n_uses; k++)
            uses[k] = &use;
        for (size_t k = 0; k < rows[i].n_warnings; k++)
            warnings[k] = (char *)"x";
        m.network = (char *)rows[i].network;
        m.nets = nets;
        m.n_nets = rows[i].n_nets;
        m.uses = uses;
        m.n_uses = rows[i].n_uses;
        m.warnings = warnings;
        m.n_warnings = rows[i].n_warnings;
        memset(&taken, 0, sizeof taken);
        if (ncclsaid_take(&m, &taken, &e) != ERR_PROTO)
            fail_msg("row %zu is taken", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(the_most),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
