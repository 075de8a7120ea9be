/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "launcher/ncclcheck.h"
#include "tests/lib/node.h"

#define P            "gpu001:4711:4720 [3] NCCL INFO "
#define USING        P "NET/IB : Using [0]%s:1/IB [1]%s:1/IB [2]other:1/IB; OOB eth0:1<0>\n"
#define RECEIVE(way) P "Channel 00/0 : 8[0] -> 0[0] [receive] via NET/" way "\n"
#define SEND(way)    P "Channel 00/0 : 0[0] -> 8[0] [send] via NET/" way "\n"

/* Two NICs of the node, the first predicted for GPU 0, both candidates or it alone. */
static const struct {
    const char *said;
    bool both, gdr; /* predicted */
    enum ncclcheck_verdict verdict;
    const char *used;
    bool uses_gdr;
} cases[] = {
    {"", false, true, NCCLCHECK_SILENT, "", false},
    {USING, false, true, NCCLCHECK_SILENT, "", false},
    {USING RECEIVE("IB/0/GDRDMA"), false, true, NCCLCHECK_SAME, "0", true},
    {USING RECEIVE("IB/0"), false, true, NCCLCHECK_SAME, "0", false},
    {USING RECEIVE("IB/1/GDRDMA"), true, true, NCCLCHECK_EQUAL, "1", true},
    {USING RECEIVE("IB/1/GDRDMA"), false, true, NCCLCHECK_OTHER, "1", true},
    {USING RECEIVE("IB/2"), false, true, NCCLCHECK_OTHER, "other", false},
    /* several channels: the predicted one is among them */
    {USING RECEIVE("IB/2") RECEIVE("IB/1") RECEIVE("IB/0/GDRDMA"), true, true,
     NCCLCHECK_SAME, "0", true},
    /* what it sends through another GPU's NIC is not judged; alone it is */
    {USING SEND("IB/1/GDRDMA") RECEIVE("IB/0/GDRDMA"), false, true, NCCLCHECK_SAME, "0",
     true},
    {USING SEND("IB/1(3)/GDRDMA"), false, true, NCCLCHECK_SILENT, "", false},
    {USING SEND("IB/0/GDRDMA"), false, true, NCCLCHECK_SAME, "0", true},
    /* a device that was not named */
    {RECEIVE("IB/0"), false, true, NCCLCHECK_SILENT, "", false},
    {RECEIVE("AWS Libfabric/0/GDRDMA"), false, true, NCCLCHECK_SILENT, "", true},
    /* sockets */
    {P "Using network Socket\n", false, true, NCCLCHECK_SOCKET, "", false},
    {RECEIVE("Socket/0"), false, true, NCCLCHECK_SOCKET, "", false},
    {P "Using network IB\n", false, true, NCCLCHECK_SILENT, "", false},
};

static void read_said(struct ncclsaid *s, const struct topo *t, const char *text)
{
    char all[2000];
    memset(s, 0, sizeof *s);
    int n = strstr(text, "%s") ? snprintf(all, sizeof all, text, t->nics[0].m->name,
                                          t->nics[1].m->name)
                               : snprintf(all, sizeof all, "%s", text);
    ncclsaid_add(s, all, (size_t)n);
    ncclsaid_end(s);
}

static struct nccl_choice choice(uint32_t *candidates, bool both, bool gdr)
{
    struct nccl_choice c = {.known = true,
                            .candidates = candidates,
                            .n_candidates = both ? 2 : 1,
                            .fused = {0},
                            .n_fused = 1,
                            .path = NCCL_PATH_PIX,
                            .gdr = gdr,
                            .why = "distance PIX is within PXB"};
    return c;
}

static void one_rank(void **state)
{
    (void)state;
    static struct ncclsaid s;
    struct node *n = node_make(2);
    struct topo *t = node_topo(n);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t candidates[2] = {0, 1};
        struct nccl_choice c = choice(candidates, cases[i].both, cases[i].gdr);
        struct ncclcheck_result r;
        const char *used = strcmp(cases[i].used, "0") == 0   ? t->nics[0].m->name
                           : strcmp(cases[i].used, "1") == 0 ? t->nics[1].m->name
                                                             : cases[i].used;
        read_said(&s, t, cases[i].said);
        ncclcheck_judge(t, &c, &s, &r);
        if (r.verdict != cases[i].verdict || strcmp(r.used, used) != 0 ||
            r.gdr != cases[i].uses_gdr)
            fail_msg("case %zu: %d, \"%s\", %d", i, (int)r.verdict, r.used, r.gdr);
    }
    /* nothing was predicted: nothing is wrong */
    struct nccl_choice none = {.known = true};
    struct ncclcheck_result r;
    read_said(&s, t, P "Using network Socket\n");
    ncclcheck_judge(t, &none, &s, &r);
    assert_int_equal(r.verdict, NCCLCHECK_SILENT);
    topo_destroy(t);
    free(n);
}

struct heard {
    char text[3000];
};

static void hear(void *arg, const char *text)
{
    struct heard *h = arg;
    size_t at = strlen(h->text);
    snprintf(h->text + at, sizeof h->text - at, "%s\n", text);
}

static void all_ranks(void **state)
{
    (void)state;
    static const struct {
        struct ncclcheck_result r[3];
        const char *warns[3]; /* each is found in a line of its own */
        const char *line;
    } all[] = {
        {{{NCCLCHECK_SAME, "a", true, ""},
          {NCCLCHECK_SAME, "a", true, ""},
          {NCCLCHECK_SAME, "a", true, ""}},
         {NULL},
         "NCCL used the predicted NIC on all 3 ranks"},
        {{{NCCLCHECK_SAME, "a", true, ""},
          {NCCLCHECK_EQUAL, "b", true, ""},
          {NCCLCHECK_SILENT, "", false, ""}},
         {NULL},
         "NCCL used the predicted NIC on 1 of 3 ranks, one as near on 1; 1 said "
         "nothing of it"},
        {{{NCCLCHECK_SILENT, "", false, ""},
          {NCCLCHECK_SILENT, "", false, ""},
          {NCCLCHECK_SILENT, "", false, ""}},
         {NULL},
         ""},
        {{{NCCLCHECK_OTHER, "b", true, ""},
          {NCCLCHECK_OTHER, "c", true, ""},
          {NCCLCHECK_SAME, "a", true, ""}},
         {"NCCL used b for gpu 0 (rank 0 on n1), predicted", "(and so on 1 more rank)"},
         "NCCL used the predicted NIC on 1 of 3 ranks"},
        {{{NCCLCHECK_SOCKET, "", false, "NET/IB : No device found."},
          {NCCLCHECK_SOCKET, "", false, ""},
          {NCCLCHECK_SOCKET, "", false, ""}},
         {"says \"NET/IB : No device found.\"", "(and so on 2 more ranks)"},
         "NCCL used the predicted NIC on 0 of 3 ranks"},
        {{{NCCLCHECK_SOCKET, "", false, ""},
          {NCCLCHECK_SOCKET, "", false, ""},
          {NCCLCHECK_SOCKET, "", false, ""}},
         {"sockets on rank 0 on n1, though", "it says nothing"},
         "NCCL used the predicted NIC on 0 of 3 ranks"},
        {{{NCCLCHECK_SAME, "a", false, ""},
          {NCCLCHECK_SAME, "a", true, ""},
          {NCCLCHECK_SAME, "a", true, ""}},
         {"does not use GPUDirect RDMA on rank 0 on n1 (gpu 0, a), though distance "
          "PIX"},
         "NCCL used the predicted NIC on all 3 ranks"},
    };
    struct node *n = node_make(2);
    struct topo *t = node_topo(n);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct ncclcheck k = {0};
        struct heard h = {""};
        uint32_t candidates[2] = {0, 1};
        struct nccl_choice c = choice(candidates, false, true);
        char line[200];
        for (uint32_t r = 0; r < 3; r++) {
            struct ncclcheck_rank rank = {
                .rank = r, .gpu = r, .node = "n1", .t = t, .choice = &c};
            ncclcheck_add(&k, &rank, &all[i].r[r]);
        }
        ncclcheck_tell(&k, hear, &h, line, sizeof line);
        if (strcmp(line, all[i].line) != 0 || (!all[i].warns[0] && h.text[0]))
            fail_msg("case %zu: \"%s\", warns \"%s\"", i, line, h.text);
        for (size_t w = 0; w < 3 && all[i].warns[w]; w++) {
            if (!strstr(h.text, all[i].warns[w]))
                fail_msg("case %zu: warns \"%s\"", i, h.text);
        }
    }
    topo_destroy(t);
    free(n);
}

/* A dump of the node, by the rules of the format. NIC 0 and GPU 0 have the form's places. */
static void dumps(void **state)
{
    (void)state;
#define DUMP(sw0, sw1, gdr, nic)                                        \
    "<system version=\"1\"><cpu numaid=\"0\">" sw0                      \
    "<pci busid=\"%s\"><gpu dev=\"0\" rank=\"0\"/></pci>" sw1           \
    "<pci busid=\"%s\"><nic><net name=\"" nic "\" dev=\"0\" gdr=\"" gdr \
    "\"/></nic></pci>"                                                  \
    "%s</cpu></system>"
#define SW "<pci busid=\"0000:99:00.0\">"
    static const struct {
        const char *file, *close;
        const char *nic; /* NULL: its own name */
        const char *warns;
    } all[] = {
        {DUMP(SW, "", "1", "%s"), "</pci>", NULL, ""},
        {DUMP(SW, "", "0", "%s"), "</pci>", NULL, "cannot do GPUDirect RDMA\n"},
        {DUMP("", "", "1", "%s"), "", NULL,
         "at one CPU, no switch between, predicted PIX\n"},
        {DUMP(SW, "", "1", "%s"), "</pci>", "mlx5_77", "which the plan has not\n"},
        {DUMP(SW, "", "1", "%s"), "</pci>", "mlx5_77", "NCCL's topology dump lacks "},
    };
    struct node *n = node_make(2);
    struct topo *t = node_topo(n);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        uint32_t one[] = {0}, candidates[2] = {0, 1};
        struct nccl_choice c = choice(candidates, false, true);
        struct heard h = {""};
        struct ncclfile f;
        struct err e;
        char text[2000];
        int len = snprintf(text, sizeof text, all[i].file, t->gpus[0].m->bus_id,
                           t->nics[0].m->bus_id,
                           all[i].nic ? all[i].nic : t->nics[0].m->name, all[i].close);
        if (ncclfile_parse(text, (size_t)len, &f, &e) < 0)
            fail_msg("case %zu: %s: %s", i, e.text, text);
        unsigned told = ncclcheck_dump(&f, t, one, 1, one, &c, 1, hear, &h);
        if ((told > 0) != (*all[i].warns != '\0') || !strstr(h.text, all[i].warns))
            fail_msg("case %zu: %u, \"%s\"", i, told, h.text);
        ncclfile_fini(&f);
    }
    topo_destroy(t);
    free(n);
}

static void hca_lists(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        const char *nics; /* of mlx5_0 .. mlx5_3 */
    } all[] = {
        {"", "0123"},
        {"=mlx5_0:1,mlx5_2:1", "02"},
        {"mlx5", "0123"},
        {"mlx5_1", "1"},
        {"=mlx5", ""},
        {"^mlx5_0", "123"},
        {"^=mlx5_3,mlx5_0", "12"},
        {"=mlx5_0:2", ""},
        {",,=,", ""},
        {":1", ""},
    };
    struct node *n = node_make(2);
    for (unsigned i = 0; i < NODE_UNITS; i++)
        n->nic[i].name = node_text(n, "mlx5_%u", i);
    struct topo *t = node_topo(n);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        uint32_t nics[NODE_UNITS];
        char got[NODE_UNITS + 1] = "";
        size_t k = nccl_nics_named(t, all[i].value, nics);
        for (size_t x = 0; x < k; x++)
            got[x] = (char)('0' + nics[x]);
        if (strcmp(got, all[i].nics) != 0)
            fail_msg("\"%s\": %s", all[i].value, got);
    }
    topo_destroy(t);
    free(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_rank),
        cmocka_unit_test(all_ranks),
        cmocka_unit_test(dumps),
        cmocka_unit_test(hca_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
