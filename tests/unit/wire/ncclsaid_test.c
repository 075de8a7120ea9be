/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/wire/ncclsaid.h"

#define P "gpu001:4711:4720 [3] NCCL INFO "

/* "receive IB/0 mlx5_0 gdr relayed, ..." */
static void show(const struct ncclsaid *s, char *ret, size_t len)
{
    size_t at = 0;
    ret[0] = '\0';
    for (size_t i = 0; i < s->n_uses; i++) {
        const struct ncclsaid_use *u = &s->uses[i];
        const char *net = ncclsaid_net(s, u);
        at += (size_t)snprintf(ret + at, len - at, "%s%s %s/%u%s%s%s%s", i ? ", " : "",
                               u->receives ? "receive" : "send", u->transport, u->dev,
                               *net ? " " : "", net, u->gdr ? " gdr" : "",
                               u->relayed ? " relayed" : "");
    }
}

static const struct {
    const char *said, *want;
    const char *network;
    bool no_device;
} cases[] = {
    {"", "", "", false},
    {P "NET/IB : Using [0]mlx5_0:1/IB [1]mlx5_1:1/RoCE [RO]; OOB eth0:10.0.0.1<0>\n" P
       "Using network IB\n" P
       "Channel 00/0 : 8[0] -> 0[0] [receive] via NET/IB/1/GDRDMA\n",
     "receive IB/1 mlx5_1 gdr", "IB", false},
    /* the line that names the devices may come after, and twice */
    {P "Channel 00/0 : 0[0] -> 8[0] [send] via NET/IB/0\n" P
       "NET/IB : Using [0]mlx5_0:1/IB [RO]; OOB ib0:10.0.0.1<0>\n" P
       "NET/IB : Using [0]mlx5_0:1/IB [RO]; OOB ib0:10.0.0.1<0>\n",
     "send IB/0 mlx5_0", "", false},
    /* through another rank; by PCI on a coherent machine; with shared buffers */
    {P "Channel 01/0 : 3[3] -> 8[0] [send] via NET/IB/0(2)/GDRDMA/Shared\n" P
       "Channel 01/1 : 3[3] -> 8[0] [send] via NET/IB/2/GDRDMA(PCI)\n",
     "send IB/0 gdr relayed, send IB/2 gdr", "", false},
    /* joined ports, as 2.24 and as versions before it */
    {P "NET/IB : Using [0]mlx5_0:1/IB [1]mlx5_1:1/IB; OOB eth0:10.0.0.1<0>\n" P
       "NET/IB : Made virtual device [2] name=mlx5_0+mlx5_1 speed=400000 ndevs=2\n" P
       "Channel 00/0 : 8[0] -> 0[0] [receive] via NET/IB/2\n",
     "receive IB/2 mlx5_0+mlx5_1", "", false},
    {P "NET/IB : Using [0]={[0] mlx5_0:1/IB, [1] mlx5_1:1/IB} [1]mlx5_2:1/IB [RO]; OOB "
       "x:y\n" P "Channel 00/0 : 8[0] -> 0[0] [receive] via NET/IB/0\n" P
       "Channel 00/0 : 8[0] -> 0[0] [receive] via NET/IB/1\n",
     "receive IB/0 mlx5_0+mlx5_1, receive IB/1 mlx5_2", "", false},
    /* sockets, a plugin, addresses of GPUs in hexadecimal as 2.18 has them */
    {P "NET/IB : No device found.\n" P "NET/Socket : Using [0]eth0:10.0.0.1<0>\n" P
       "Using network Socket\n" P
       "Channel 00/0 : 8[1b000] -> 0[1b000] [receive] via NET/Socket/0\n",
     "receive Socket/0", "Socket", true},
    {P "Channel 00/0 : 8[0] -> 0[0] [receive] via NET/AWS Libfabric/3/GDRDMA\n",
     "receive AWS Libfabric/3 gdr", "", false},
    /* the same once; inside a node it is no network; a carriage return; no newline */
    {P "Channel 00/0 : 8[0] -> 0[0] [receive] via NET/IB/0\n" P
       "Channel 01/0 : 9[1] -> 1[1] [receive] via NET/IB/0\n" P
       "Channel 00/0 : 0[0] -> 1[1] via P2P/CUMEM\n",
     "receive IB/0", "", false},
    {P "Channel 00/0 : 8[0] -> 0[0] [receive] via NET/IB/0\r\n", "receive IB/0", "",
     false},
    {P "Channel 00/0 : 8[0] -> 0[0] [receive] via NET/IB/0", "receive IB/0", "", false},
    /* with what a program puts before it */
    {"\x1b[32m[rank 3]\x1b[0m 2026-01-01 gpu1:1:2 [0] NCCL INFO Channel 00/0 : 8[0] -> "
     "0[0] "
     "[receive] via NET/IB/0\n",
     "receive IB/0", "", false},
    /* what only looks like it */
    {"Channel 00/0 : 8[0] -> 0[0] [receive] via NET/IB/0\n", "", "", false},
    {P "Channel 00/0 : 8[0] -> 0[0] [receive] via NET/IB/\n", "", "", false},
    {P "Channel 00/0 : 8[0] -> 0[0] [receive] via NET/IB/x\n", "", "", false},
    {P "Channel 00/0 : 8[0] -> 0[0] [receive] via NET//0\n", "", "", false},
    {P "Channel 00/0 : 8[0] -> 0[0] [receive] via NET/IB/0(\n", "", "", false},
    {P "Channel 00/0 : 8[0] -> 0[0] [receive] via NET/IB/0 and more\n", "", "", false},
    {P "Channel 00/0 : 8[0] -> 0[0] [receive] via NET/IB/99999999999\n", "", "", false},
    {P "Channel 00/0 : 8[0] -> 0[0] [other] via NET/IB/0\n", "", "", false},
    {P "Channel 00/0 : 8[0] -> 0[0] [receive] via NET/I\x1b[2JB/0\n", "", "", false},
    {P "Channel 00/0 : 8[0] -> 0[0] [receive] via NET/a name longer than any "
       "transport/0\n",
     "", "", false},
    {P "NET/IB : Using [99999999]mlx5_0:1/IB [[[[ [5] [6 [7]=={[ [8]={[ ;\n", "", "",
     false},
    {P "NET/IB : Using [0]\x1b]0;title\a:1/IB\n" P
       "Channel 00/0 : 8[0] -> 0[0] [receive] via NET/IB/0\n",
     "receive IB/0", "", false},
    {P "NET/IB : Made virtual device [0] name= speed=1\n" P "Using network \x1b[31m\n",
     "", "", false},
    /* a device that was not named */
    {P "Channel 00/0 : 8[0] -> 0[0] [receive] via NET/IB/700\n", "receive IB/700", "",
     false},
};

/* Whole, and byte by byte: where output is cut changes nothing. */
static void table(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        static struct ncclsaid s;
        size_t c = i / 2, len = strlen(cases[c].said);
        char got[1000];
        memset(&s, 0, sizeof s);
        for (size_t k = 0; k < len && i % 2; k++)
            ncclsaid_add(&s, cases[c].said + k, 1);
        if (i % 2 == 0)
            ncclsaid_add(&s, cases[c].said, len);
        ncclsaid_end(&s);
        show(&s, got, sizeof got);
        if (strcmp(got, cases[c].want) != 0 ||
            strcmp(s.network, cases[c].network) != 0 ||
            s.no_device != cases[c].no_device)
            fail_msg("%s\n  gives \"%s\", network \"%s\", %d", cases[c].said, got,
                     s.network, s.no_device);
    }
}

/* Words for people: what it said of InfiniBand first, and warnings, each once. */
static void words(void **state)
{
    static const struct {
        const char *said, *ib;
        const char *warnings[NCCLSAID_WARNINGS + 1];
    } rows[] = {
        {P "NET/IB : Using [0]mlx5_0:1/IB\n" P "Using network IB\n", "", {NULL}},
        {P "NET/IB : No device found.\n", "NET/IB : No device found.", {NULL}},
        {P "Failed to open libibverbs.so[.1]\n" P "NET/IB : No device found.\n",
         "Failed to open libibverbs.so[.1]",
         {NULL}},
        {P "NET/IB : Unable to open \x1b[31mmlx5_0\n",
         "NET/IB : Unable to open ?[31mmlx5_0",
         {NULL}},
        {"\n[2026-01-01 00:00:00] h:1:2 [0] init.cc:1 NCCL WARN Cuda failure 'x'\n"
         "\n[2026-01-01 00:00:01] h:1:2 [0] init.cc:2 NCCL WARN Cuda failure 'x'\n"
         "h:1:2 [0] NCCL WARN \n",
         "",
         {"Cuda failure 'x'"}},
        {P "what follows is no warning: NCCL WARN x\n", "", {NULL}},
        {"h:1:2 [0] NCCL WARN not NCCL INFO Using network Socket\n",
         "",
         {"not NCCL INFO Using network Socket"}},
        {"NCCL WARN a\nNCCL WARN b\nNCCL WARN c\nNCCL WARN d\nNCCL WARN e\n",
         "",
         {"a", "b", "c", "d"}},
        {"NCCL WARN \x1b]0;x\a\xff\n", "", {"?]0;x??"}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        static struct ncclsaid s;
        size_t n = 0;
        memset(&s, 0, sizeof s);
        ncclsaid_add(&s, rows[i].said, strlen(rows[i].said));
        assert_string_equal(s.ib, rows[i].ib);
        for (; rows[i].warnings[n]; n++)
            assert_string_equal(s.warnings[n], rows[i].warnings[n]);
        assert_int_equal(s.n_warnings, n);
    }
}

/* Only what is new counts. */
static void changes(void **state)
{
    static const char all[] =
        P "NET/IB : Using [0]mlx5_0:1/IB\n" P "Using network IB\n" P
          "Channel 00/0 : 8[0] -> 0[0] [receive] via NET/IB/0\n" P
          "NET/IB : No device found.\nNCCL WARN x\n";
    static struct ncclsaid s;
    (void)state;
    memset(&s, 0, sizeof s);
    ncclsaid_add(&s, all, sizeof all - 1);
    size_t n = s.n_changes;
    assert_int_equal(n, 6);
    ncclsaid_add(&s, all, sizeof all - 1);
    ncclsaid_add(&s, "loss 3.5\n", 9);
    assert_int_equal(s.n_changes, n);
}

/* A line longer than NCCL's is passed over, and what comes after it is read. */
static void hostile(void **state)
{
    (void)state;
    static const char after[] =
        "\n" P "Channel 00/0 : 8[0] -> 0[0] [receive] via NET/IB/0\n";
    static struct ncclsaid s;
    static char big[300000];
    char got[1000];
    memset(&s, 0, sizeof s);
    memset(big, '[', sizeof big);
    memcpy(big, P "NET/IB : Using [0]a:1/IB ", strlen(P "NET/IB : Using [0]a:1/IB "));
    ncclsaid_add(&s, big, sizeof big);
    ncclsaid_add(&s, after, sizeof after - 1);
    memset(big, 0, 5000); /* NULs */
    memcpy(big, P "Using network X", strlen(P "Using network X"));
    ncclsaid_add(&s, big, 200);
    ncclsaid_add(&s, "\n", 1);
    show(&s, got, sizeof got);
    assert_string_equal(got, "receive IB/0");
    assert_string_equal(s.network, "");
    /* more connections than are kept */
    for (unsigned i = 0; i < 500; i++) {
        int n = snprintf(big, sizeof big,
                         P "Channel 00/0 : 8[0] -> 0[0] [send] via NET/IB/%u\n", i);
        ncclsaid_add(&s, big, (size_t)n);
    }
    assert_int_equal(s.n_uses, NCCLSAID_USES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(words),
        cmocka_unit_test(changes),
        cmocka_unit_test(hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
