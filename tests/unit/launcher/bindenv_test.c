/* SPDX-License-Identifier: MIT */
/* bindenv_test.c - the variables of a node and of its ranks, by a table of machines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/place/bindenv.h"
#include "proto/base/buf.h"

enum { MOST = 40 };

/* "NVIDIA 0000:18:00.0 GPU-a", parts with blanks between; "-": empty. */
struct machine {
    const char *gpus[MOST];
    const char *nics[MOST]; /* "mlx5_0 IB 1" name, kind, ports that are up; "d": down */
    const char *visible;
};

struct fixture {
    struct spec spec;
    Aolani__Topology message;
    struct topo topo;
    Aolani__Gpu gpus[MOST];
    Aolani__Nic nics[MOST];
    Aolani__NicPort ports[MOST][2], *port_lists[MOST][2];
    struct topo_gpu topo_gpus[MOST];
    struct topo_nic topo_nics[MOST];
    char words[2 * MOST][4][64];
    size_t n_words;
    struct plan_rank ranks[MOST];
    struct plan_node nodes[2];
    struct plan plan;
    uint32_t node_gpus[MOST], node_nics[MOST], rank_gpus[MOST][MOST],
        rank_nics[MOST][MOST];
};

static char (*words_of(struct fixture *f, const char *text))[64]
{
    char(*w)[64] = f->words[f->n_words++];
    assert_int_equal(sscanf(text, "%63s %63s %63s", w[0], w[1], w[2]), 3);
    for (int i = 0; i < 3; i++) {
        if (strcmp(w[i], "-") == 0)
            w[i][0] = '\0';
    }
    return w;
}

static void add_gpu(struct fixture *f, const char *text)
{
    Aolani__Gpu *m = &f->gpus[f->topo.n_gpus];
    char(*w)[64] = words_of(f, text);
    aolani__gpu__init(m);
    m->vendor = w[0];
    m->bus_id = w[1];
    m->uuid = w[2];
    f->topo_gpus[f->topo.n_gpus++] = (struct topo_gpu){.m = m, .pci = -1};
}

static void add_nic(struct fixture *f, const char *text)
{
    static const struct {
        const char *name;
        Aolani__Nic__Kind kind;
    } kinds[] = {{"IB", AOLANI__NIC__KIND__INFINIBAND},
                 {"RoCE", AOLANI__NIC__KIND__ROCE},
                 {"EFA", AOLANI__NIC__KIND__EFA},
                 {"HSN", AOLANI__NIC__KIND__SLINGSHOT},
                 {"Eth", AOLANI__NIC__KIND__ETHERNET}};
    size_t at = f->topo.n_nics++;
    Aolani__Nic *m = &f->nics[at];
    char(*w)[64] = words_of(f, text);
    aolani__nic__init(m);
    m->name = w[0];
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(w[1], kinds[i].name) == 0)
            m->kind = kinds[i].kind;
    }
    m->ports = f->port_lists[at];
    for (const char *p = w[2]; *p; p++, m->n_ports++) {
        Aolani__NicPort *port = &f->ports[at][m->n_ports];
        aolani__nic_port__init(port);
        port->number = (uint32_t)m->n_ports + 1;
        port->state = *p == 'd' ? 1 : 4;
        m->ports[m->n_ports] = port;
    }
    f->topo_nics[at] = (struct topo_nic){.m = m, .pci = -1};
}

/* "0,1": indexes. */
static size_t parse(const char *text, uint32_t *ret)
{
    size_t n = 0;
    for (const char *p = text; *p; p += *p == ',') {
        char *end;
        ret[n++] = (uint32_t)strtoul(p, &end, 10);
        p = end;
    }
    return n;
}

static void set_up(struct fixture *f, const struct machine *m, const char *gpu,
                   const char *nic)
{
    memset(f, 0, sizeof *f);
    f->spec.bind.gpu = (char *)gpu;
    assert_int_equal(strlist_add(&f->spec.bind.nic, nic), 0);
    aolani__topology__init(&f->message);
    f->message.visible = (char *)(m->visible ? m->visible : "");
    f->topo.m = &f->message;
    f->topo.gpus = f->topo_gpus;
    f->topo.nics = f->topo_nics;
    for (size_t i = 0; m->gpus[i]; i++)
        add_gpu(f, m->gpus[i]);
    for (size_t i = 0; m->nics[i]; i++)
        add_nic(f, m->nics[i]);
    f->plan = (struct plan){
        .n_nodes = 2, .world_size = MOST, .ranks = f->ranks, .nodes = f->nodes};
    f->nodes[1] = (struct plan_node){
        .topo = &f->topo, .gpus = f->node_gpus, .nics = f->node_nics};
}

static void set_node(struct fixture *f, const char *gpus, const char *nics)
{
    f->nodes[1].n_gpus = parse(gpus, f->node_gpus);
    f->nodes[1].n_nics = parse(nics, f->node_nics);
}

static void set_rank(struct fixture *f, uint32_t rank, const char *gpus,
                     const char *nics)
{
    f->ranks[rank] = (struct plan_rank){.rank = rank,
                                        .node = 1,
                                        .gpus = f->rank_gpus[rank],
                                        .nics = f->rank_nics[rank],
                                        .n_gpus = parse(gpus, f->rank_gpus[rank]),
                                        .n_nics = parse(nics, f->rank_nics[rank])};
}

/* Variables, then notes, blanks between. */
static void check(const char *what, struct bindenv *b, const char *want)
{
    struct buf got;
    buf_init(&got, 1u << 16);
    for (size_t i = 0; i < b->vars.n; i++)
        assert_int_equal(buf_printf(&got, "%s%s", i ? " " : "", b->vars.items[i]), 0);
    for (size_t i = 0; i < b->notes.n; i++)
        assert_int_equal(buf_printf(&got, " (%s)", b->notes.items[i]), 0);
    const char *text = got.data ? (const char *)got.data : "";
    if (strcmp(text, want) != 0)
        fail_msg("%s: \"%s\", not \"%s\"", what, text, want);
    buf_fini(&got);
    bindenv_fini(b);
}

#define NO_CUDA                                                                    \
    " (CUDA_VISIBLE_DEVICES is not set: the GPUs' UUIDs are not known, and their " \
    "indexes could mean others)"
#define NO_ROCR                                                                    \
    " (ROCR_VISIBLE_DEVICES is not set: the GPUs' UUIDs are not known, and their " \
    "indexes could mean others)"
#define ONE_MIG                                                                       \
    " (each rank sees its own MIG instance alone: CUDA shows a process no more than " \
    "one)"

static void test_machines(void **state)
{
    (void)state;
    static const struct machine two = {
        .gpus = {"NVIDIA 0000:18:00.0 GPU-a", "NVIDIA 0000:2a:00.0 GPU-b"},
        .nics = {"mlx5_0 IB u", "mlx5_1 RoCE u", "mlx5_2 IB du", "mlx5_3 IB d"}};
    static const struct machine blind = {
        .gpus = {"NVIDIA 0000:18:00.0 -", "NVIDIA 0000:2a:00.0 -"}};
    static const struct machine crooked = {
        .gpus = {"NVIDIA 0000:2a:00.0 -", "NVIDIA 0000:18:00.0 -"}};
    static const struct machine filtered = {
        .gpus = {"NVIDIA 0000:18:00.0 -", "NVIDIA 0000:2a:00.0 -"}, .visible = "3,4"};
    static const struct machine strange = {
        .gpus = {"NVIDIA 0000:18:00.0 GPU-a,b", "NVIDIA 0000:2a:00.0 GPU-b"}};
    static const struct machine mig = {
        .gpus = {"NVIDIA 0000:18:00.0 MIG-a", "NVIDIA 0000:18:00.0 MIG-b"}};
    static const struct machine amd = {
        .gpus = {"AMD 0000:05:00.0 0xAB12", "AMD 0000:15:00.0 18f68e602b8a790f",
                 "AMD 0000:25:00.0 GPU-00000000000000ff"},
        .nics = {"hsi0 HSN u", "hsi1 HSN u"}};
    static const struct machine twins = {
        .gpus = {"AMD 0000:05:00.0 0x1", "AMD 0000:06:00.0 0x1"}};
    static const struct machine wordy = {
        .gpus = {"AMD 0000:05:00.0 not-hex", "AMD 0000:06:00.0 0x11112222333344445"}};
    static const struct machine cloud = {.nics = {"rdmap0s6 EFA u", "eth0 Eth u"}};
    static const struct {
        const struct machine *m;
        const char *gpu, *nic;             /* of [bind] */
        const char *node_gpus, *node_nics; /* of the plan */
        const char *gpus, *nics;           /* of the rank */
        const char *of_node, *of_rank;
    } table[] = {
        {&two, "all", "auto", "1,0", "0,1", "1", "1,0",
         "CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=GPU-b,GPU-a "
         "NCCL_IB_HCA==mlx5_0:1,mlx5_1:1",
         "UCX_NET_DEVICES=mlx5_1:1,mlx5_0:1"},
        /* a part of them, the port that is up, none that is down */
        {&two, "all", "mlx5_*", "1", "2,3", "1", "2,3",
         "CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=GPU-b "
         "NCCL_IB_HCA==mlx5_2:2",
         "UCX_NET_DEVICES=mlx5_2:2"},
        {&two, "own", "auto", "0,1", "0,1", "1", "1",
         "CUDA_DEVICE_ORDER=PCI_BUS_ID NCCL_IB_HCA==mlx5_0:1,mlx5_1:1",
         "CUDA_VISIBLE_DEVICES=GPU-b UCX_NET_DEVICES=mlx5_1:1"},
        {&two, "own", "none", "0,1", "0,1", "1,0", "1", "CUDA_DEVICE_ORDER=PCI_BUS_ID",
         "CUDA_VISIBLE_DEVICES=GPU-b,GPU-a"},
        {&two, "none", "auto", "0,1", "0", "0", "0", "NCCL_IB_HCA==mlx5_0:1",
         "UCX_NET_DEVICES=mlx5_0:1"},
        {&two, "none", "none", "0,1", "0", "0", "0", "", ""},
        {&two, "all", "auto", "", "", "", "", "", ""},
        /* without UUIDs */
        {&blind, "all", "auto", "0,1", "", "0", "",
         "CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=0,1", ""},
        {&blind, "all", "auto", "1,0", "", "0", "",
         "CUDA_DEVICE_ORDER=PCI_BUS_ID" NO_CUDA, ""},
        {&blind, "all", "auto", "0", "", "0", "",
         "CUDA_DEVICE_ORDER=PCI_BUS_ID" NO_CUDA, ""},
        {&blind, "own", "auto", "0,1", "", "0", "", "CUDA_DEVICE_ORDER=PCI_BUS_ID",
         NO_CUDA},
        {&crooked, "all", "auto", "0,1", "", "0", "",
         "CUDA_DEVICE_ORDER=PCI_BUS_ID" NO_CUDA, ""},
        {&filtered, "all", "auto", "0,1", "", "0", "",
         "CUDA_DEVICE_ORDER=PCI_BUS_ID" NO_CUDA, ""},
        {&strange, "all", "auto", "1,0", "", "0", "",
         "CUDA_DEVICE_ORDER=PCI_BUS_ID" NO_CUDA, ""},
        /* MIG */
        {&mig, "all", "auto", "0,1", "", "1", "",
         "CUDA_DEVICE_ORDER=PCI_BUS_ID" ONE_MIG, "CUDA_VISIBLE_DEVICES=MIG-b"},
        {&mig, "own", "auto", "0,1", "", "0", "", "CUDA_DEVICE_ORDER=PCI_BUS_ID",
         "CUDA_VISIBLE_DEVICES=MIG-a"},
        {&mig, "none", "auto", "0,1", "", "0", "", "", ""},
        /* AMD; over Slingshot libfabric takes what is near */
        {&amd, "all", "auto", "0,2,1", "0,1", "0", "0",
         "ROCR_VISIBLE_DEVICES=GPU-000000000000ab12,GPU-00000000000000ff,"
         "GPU-18f68e602b8a790f",
         ""},
        {&amd, "own", "auto", "0,1,2", "0", "2", "0", "",
         "ROCR_VISIBLE_DEVICES=GPU-00000000000000ff"},
        {&twins, "all", "auto", "0,1", "", "0", "", "ROCR_VISIBLE_DEVICES=0,1", ""},
        {&twins, "own", "auto", "0,1", "", "1", "", "", NO_ROCR},
        {&wordy, "all", "auto", "1,0", "", "1", "", NO_ROCR, ""},
        {&cloud, "all", "auto", "", "0,1", "", "0,1", "", ""},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct fixture f;
        struct bindenv b;
        char what[32];
        set_up(&f, table[i].m, table[i].gpu, table[i].nic);
        set_node(&f, table[i].node_gpus, table[i].node_nics);
        set_rank(&f, 3, table[i].gpus, table[i].nics);
        (void)snprintf(what, sizeof what, "row %zu, node", i);
        assert_int_equal(bindenv_node(&f.spec, &f.plan, 1, &b), 0);
        check(what, &b, table[i].of_node);
        (void)snprintf(what, sizeof what, "row %zu, rank", i);
        assert_int_equal(bindenv_rank(&f.spec, &f.plan, 3, &b), 0);
        check(what, &b, table[i].of_rank);
        strlist_fini(&f.spec.bind.nic);
    }
}

static void test_more_nics_than_nccl_takes(void **state)
{
    (void)state;
    struct fixture f;
    struct bindenv b;
    static const struct machine none;
    char nics[33][32], list[256] = "";
    set_up(&f, &none, "all", "auto");
    for (int i = 0; i < 33; i++) {
        (void)snprintf(nics[i], sizeof nics[i], "mlx5_%d IB u", i);
        add_nic(&f, nics[i]);
        (void)snprintf(list + strlen(list), sizeof list - strlen(list), "%s%d",
                       i ? "," : "", i);
    }
    set_node(&f, "", list);
    assert_int_equal(bindenv_node(&f.spec, &f.plan, 1, &b), 0);
    assert_int_equal(b.vars.n, 1);
    assert_non_null(strstr(b.vars.items[0], ",mlx5_31:1"));
    assert_null(strstr(b.vars.items[0], "mlx5_32"));
    assert_int_equal(b.notes.n, 1);
    assert_string_equal(b.notes.items[0],
                        "NCCL_IB_HCA names 32 of the 33 NICs: NCCL takes no more");
    bindenv_fini(&b);
    strlist_fini(&f.spec.bind.nic);
}

static void on_conflict(void *arg, const char *name, const char *theirs,
                        const char *ours)
{
    assert_int_equal(buf_printf(arg, "%s: %s, %s; ", name, theirs, ours), 0);
}

static void test_what_the_user_set(void **state)
{
    (void)state;
    static const char *const ours[] = {"NCCL_IB_HCA==mlx5_0:1", "SAME=1", "ALONE=1",
                                       "BOTH=1", "EMPTY=1"};
    static const char *const job_env[] = {"BOTH=job", "NCCL_IB_HCA==mlx5_9", "SAME=1",
                                          "NCCL_IB_HCA2=x", "EMPTY="};
    Aolani__KeyValue kv[2];
    Aolani__KeyValue *forwarded[2] = {&kv[0], &kv[1]};
    struct bindenv b = {0};
    struct strlist theirs = {0};
    struct buf got;
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(strlist_add(&b.vars, ours[i]), 0);
        assert_int_equal(strlist_add(&theirs, job_env[i]), 0);
    }
    for (size_t i = 0; i < 2; i++)
        aolani__key_value__init(&kv[i]);
    kv[0].key = (char *)"BOTH";
    kv[0].value = (char *)"1"; /* [job] env comes after it */
    kv[1].key = (char *)"ALON";
    kv[1].value = (char *)"2";
    buf_init(&got, 4096);
    bindenv_conflicts(&b, &theirs, forwarded, 2, on_conflict, &got);
    assert_string_equal((const char *)got.data,
                        "NCCL_IB_HCA: =mlx5_9, =mlx5_0:1; BOTH: "
                        "job, 1; EMPTY: , 1; ");
    got.len = 0;
    kv[1].key = (char *)"ALONE";
    strlist_fini(&theirs);
    bindenv_conflicts(&b, &theirs, forwarded, 2, on_conflict, &got);
    assert_string_equal((const char *)got.data, "ALONE: 2, 1; ");
    buf_fini(&got);
    bindenv_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_machines),
        cmocka_unit_test(test_more_nics_than_nccl_takes),
        cmocka_unit_test(test_what_the_user_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
