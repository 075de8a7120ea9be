/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/place/nccl.h"
#include "launcher/place/ncclapply.h"
#include "proto/base/limits.h"
#include "tests/lib/skipped.h"

/* ---- reading ---- */

#define WHOLE(text) "<system version=\"1\">" text "</system>"

static void what_is_read(void **state)
{
    (void)state;
    static const char text[] =
        "<?xml version=\"1.0\"?>\n"
        "<system version=\"1\">\n"
        "  <cpu host_hash=\"0x1\" numaid=\"1\" affinity=\"ff\" arch=\"x86_64\">\n"
        "    <pci busid=\"0000:16:00.0\" class=\"0x060400\" link_speed=\"32.0 GT/s "
        "PCIe\" "
        "link_width=\"16\">\n"
        "      <pci busid=\"0000:18:00.0\" link_speed=\"8 GT/s\" link_width=\"x\">\n"
        "        <gpu dev=\"3\" sm=\"90\" rank=\"11\" gdr=\"1\"><nvlink "
        "count=\"18\"/></gpu>\n"
        "      </pci>\n"
        "      <pci busid=\"not an address\">\n"
        "        <other><nic><net name=\"mlx5_0+mlx5_1\" dev=\"2\" "
        "gdr=\"0\"/></nic></other>\n"
        "      </pci>\n"
        "    </pci>\n"
        "    <nic><net name=\"bad name\" dev=\"99999999999\"/></nic>\n"
        "    <gpu dev=\"0\"/>\n"
        "  </cpu>\n"
        "  <pci busid=\"0000:99:00.0\"/>\n"
        "</system>\n";
    static const struct ncclfile_node want[] = {
        {.kind = NCCLFILE_CPU, .parent = -1, .number = 1, .rank = -1, .gdr = -1},
        {NCCLFILE_PCI, 0, "0000:16:00.0", 32000, 16, -1, -1, -1, ""},
        {NCCLFILE_PCI, 1, "0000:18:00.0", 8000, 0, -1, -1, -1, ""},
        {NCCLFILE_GPU, 2, "", 0, 0, 3, 11, 1, ""},
        {NCCLFILE_PCI, 1, "", 0, 0, -1, -1, -1, ""},
        {NCCLFILE_NIC, 4, "", 0, 0, -1, -1, -1, ""},
        {NCCLFILE_NET, 5, "", 0, 0, 2, -1, 0, "mlx5_0+mlx5_1"},
        {NCCLFILE_NIC, 0, "", 0, 0, -1, -1, -1, ""},
        {NCCLFILE_NET, 7, "", 0, 0, -1, -1, -1, ""},
    };
    struct ncclfile f;
    struct err e = {0};
    if (ncclfile_parse(text, strlen(text), &f, &e) < 0)
        fail_msg("%s", e.text);
    assert_int_equal(f.n, sizeof want / sizeof *want);
    for (size_t i = 0; i < f.n; i++) {
        const struct ncclfile_node *a = &f.nodes[i], *b = &want[i];
        if (a->kind != b->kind || a->parent != b->parent ||
            strcmp(a->bus_id, b->bus_id) != 0 || a->link_mts != b->link_mts ||
            a->link_width != b->link_width || a->number != b->number ||
            a->rank != b->rank || a->gdr != b->gdr || strcmp(a->name, b->name) != 0)
            fail_msg(
                "element %zu: kind %d, parent %d, \"%s\", %u x%u, %d, %d, %d, \"%s\"",
                i, (int)a->kind, a->parent, a->bus_id, a->link_mts, a->link_width,
                a->number, a->rank, a->gdr, a->name);
    }
    ncclfile_fini(&f);
}

static void what_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "line 1"},
        {"nothing", "line 1"},
        {"<system>", "line 1"},
        {"<system><cpu></system>", "line 1"},
        {"<topology/>", "does not begin with a \"system\""},
        {"<!DOCTYPE system><system/>", "document type"},
        {"<!DOCTYPE system [<!ENTITY a \"b\">]><system>&a;</system>", "document type"},
        {"<!DOCTYPE system SYSTEM \"/etc/passwd\"><system/>", "document type"},
        {"<system>&undeclared;</system>", "undefined entity"},
        {"<system a=\"1\" a=\"2\"/>", "duplicate attribute"},
        {WHOLE("\xff\xfe"), "not well-formed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ncclfile f;
        struct err e = {0};
        int rc = ncclfile_parse(cases[i].text, strlen(cases[i].text), &f, &e);
        if (rc != ERR_PARSE || !strstr(e.text, cases[i].why))
            fail_msg("\"%s\": %d, %s", cases[i].text, rc, e.text);
    }
}

/* n times a text, between others. */
static char *many(const char *before, const char *text, size_t n, const char *after)
{
    size_t len = strlen(text);
    char *ret = malloc(strlen(before) + n * len + strlen(after) + 1);
    char *at = ret + sprintf(ret, "%s", before);
    for (size_t i = 0; i < n; i++, at += len)
        memcpy(at, text, len);
    memcpy(at, after, strlen(after) + 1);
    return ret;
}

static void what_is_too_much(void **state)
{
    (void)state;
    struct {
        char *text;
        const char *why;
    } cases[] = {
        {many("<system>", "<cpu/>", LIMIT_NCCL_NODES + 1, "</system>"),
         "more elements"},
        {many("<system>", "<a>", LIMIT_NCCL_DEPTH, ""), "nested deeper"},
        {many("<system>", " ", LIMIT_NCCL_BYTES, "</system>"), "bytes, of at most"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ncclfile f;
        struct err e = {0};
        int rc = ncclfile_parse(cases[i].text, strlen(cases[i].text), &f, &e);
        if (rc != ERR_LIMIT || !strstr(e.text, cases[i].why))
            fail_msg("case %zu: %d, %s", i, rc, e.text);
        free(cases[i].text);
    }
}

/* ---- what the switches of a file change: a virtual machine with a host bridge for each
 * device, two GPUs and two NICs on each of two NUMA nodes ---- */

struct vm {
    Aolani__Topology m;
    Aolani__NumaNode numa[2], *numas[2];
    Aolani__Core core[2], *cores[2];
    uint32_t at[2];
    Aolani__PciNode pci[16], *pcis[16];
    Aolani__Gpu gpu[4], *gpus[4];
    Aolani__Nic nic[4], *nics[4];
    Aolani__NicPort port, *ports[1];
};

static const char *const vm_bus[] = {"0001:00:00.0", "0002:00:00.0", "0003:00:00.0",
                                     "0004:00:00.0", "0101:00:00.0", "0102:00:00.0",
                                     "0103:00:00.0", "0104:00:00.0"};
static const char *const vm_nic[] = {"ib0", "ib1", "ib2", "ib3"};

static void vm_device(struct vm *v, uint32_t i)
{
    Aolani__PciNode *root = v->pcis[2 * i] = &v->pci[2 * i];
    Aolani__PciNode *d = v->pcis[2 * i + 1] = &v->pci[2 * i + 1];
    uint32_t node = i % 4 / 2;
    aolani__pci_node__init(root);
    aolani__pci_node__init(d);
    root->bus_id = "0000:00";
    root->located = true;
    root->cpus = v->numa[node].cpus;
    root->numa = &v->at[node];
    root->n_numa = 1;
    d->kind = AOLANI__PCI_NODE__KIND__DEVICE;
    d->parent = 2 * i + 1;
    d->bus_id = (char *)vm_bus[i];
    if (i < 4) {
        Aolani__Gpu *g = v->gpus[i] = &v->gpu[i];
        aolani__gpu__init(g);
        g->pci = 2 * i + 2;
        g->nvml_index = (int32_t)i;
        g->vendor = "NVIDIA";
        g->mem_numa = -1;
        return;
    }
    Aolani__Nic *n = v->nics[i - 4] = &v->nic[i - 4];
    aolani__nic__init(n);
    n->pci = 2 * i + 2;
    n->name = (char *)vm_nic[i - 4];
    n->kind = AOLANI__NIC__KIND__INFINIBAND;
    n->ports = v->ports;
    n->n_ports = 1;
}

static void vm_init(struct vm *v, const char *file)
{
    *v = (struct vm){.at = {0, 1}, .ports = {&v->port}};
    aolani__topology__init(&v->m);
    aolani__nic_port__init(&v->port);
    v->port.number = 1;
    v->port.state = 4;
    v->port.rate_mbits = 400000;
    for (uint32_t i = 0; i < 2; i++) {
        aolani__numa_node__init(&v->numa[i]);
        aolani__core__init(&v->core[i]);
        v->numa[i].os_index = i;
        v->numa[i].cpus = i ? "1" : "0";
        v->core[i].pus = &v->at[i];
        v->core[i].n_pus = 1;
        v->numas[i] = &v->numa[i];
        v->cores[i] = &v->core[i];
    }
    for (uint32_t i = 0; i < 8; i++)
        vm_device(v, i);
    v->m.allowed_cpus = "0-1";
    v->m.numa = v->numas;
    v->m.cores = v->cores;
    v->m.pci = v->pcis;
    v->m.gpus = v->gpus;
    v->m.nics = v->nics;
    v->m.n_numa = v->m.n_cores = 2;
    v->m.n_pci = 16;
    v->m.n_gpus = v->m.n_nics = 4;
    v->m.nccl_topo_text = (char *)file;
}

#define LINK           " link_speed=\"32.0 GT/s PCIe\" link_width=\"16\""
#define SWITCH(n, ...) "<pci busid=\"ffff:ff:0" n ".0\"" LINK ">" __VA_ARGS__ "</pci>"
#define DEV(bus)       "<pci busid=\"" bus "\"" LINK "/>"
#define CPU(n, ...)    "<cpu numaid=\"" n "\">" __VA_ARGS__ "</cpu>"

/* The path of each GPU to the NIC of its number, and NCCL's choice. To a GPU without a switch
 * both NICs of its node are equal, the one at the root first: its address is the lower. */
static void what_a_file_changes(void **state)
{
    (void)state;
    static const struct {
        const char *what, *file;
        const char *path[4]; /* "PIX" to the NIC of the same number */
        const char *chosen[4];
        bool added, refused;
    } cases[] = {
        {"none",
         "",
         {"NODE", "NODE", "NODE", "NODE"},
         {"ib0", "ib1", "ib2", "ib3"},
         0,
         0},
        {"a switch for each pair",
         WHOLE(CPU("0", SWITCH("1", DEV("0001:00:00.0") DEV("0102:00:00.0"))
                            SWITCH("2", DEV("0002:00:00.0") DEV("0101:00:00.0")))
                   CPU("1", SWITCH("3", DEV("0003:00:00.0") DEV("0104:00:00.0"))
                                SWITCH("4", DEV("0004:00:00.0") DEV("0103:00:00.0")))),
         {"NODE", "NODE", "NODE", "NODE"},
         {"ib1", "ib0", "ib3", "ib2"},
         1,
         0},
        {"NUMA nodes confused",
         WHOLE(CPU("1", SWITCH("1", DEV("0001:00:00.0") DEV("0101:00:00.0"))
                            SWITCH("2", DEV("0002:00:00.0") DEV("0102:00:00.0")))),
         {"PIX", "PIX", "NODE", "NODE"},
         {"ib0", "ib1", "ib2", "ib3"},
         1,
         0},
        {"a switch over two NUMA nodes",
         WHOLE(CPU("0", SWITCH("1", DEV("0001:00:00.0") DEV("0103:00:00.0")))),
         {"NODE", "NODE", "NODE", "NODE"},
         {"ib0", "ib1", "ib2", "ib3"},
         0,
         0},
        {"switches below a switch",
         WHOLE(CPU("0", SWITCH("1", SWITCH("2", DEV("0001:00:00.0"))
                                        SWITCH("3", DEV("0101:00:00.0"))))),
         {"PXB", "NODE", "NODE", "NODE"},
         {"ib0", "ib0", "ib2", "ib3"},
         1,
         0},
        {"devices that are not here, or named twice",
         WHOLE(CPU("0", SWITCH("1", DEV("0009:00:00.0") DEV("0001:00:00.0")
                                        DEV("0001:00:00.0") DEV("0101:00:00.0")))),
         {"PIX", "NODE", "NODE", "NODE"},
         {"ib0", "ib0", "ib2", "ib3"},
         1,
         0},
        {"no switches",
         WHOLE(CPU("0", DEV("0001:00:00.0"))),
         {"NODE", "NODE", "NODE", "NODE"},
         {"ib0", "ib1", "ib2", "ib3"},
         0,
         0},
        {"not XML",
         "<system>",
         {"NODE", "NODE", "NODE", "NODE"},
         {"ib0", "ib1", "ib2", "ib3"},
         0,
         1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct vm v;
        struct topo *t;
        struct err e = {0};
        vm_init(&v, cases[i].file);
        if (topo_load(&v.m, &t, &e) < 0)
            fail_msg("%s: %s", cases[i].what, e.text);
        assert_int_equal(t->added != NULL, cases[i].added);
        assert_int_equal(t->file_why != NULL, cases[i].refused);
        uint32_t four[] = {0, 1, 2, 3};
        struct nccl_choice c[4];
        assert_int_equal(nccl_predict(t, &nccl_env_default, four, 4, four, 4, c, NULL),
                         0);
        for (uint32_t g = 0; g < 4; g++) {
            struct topo_path p = topo_path_gpu_nic(t, g, g);
            if (strcmp(topo_path_name(&p), cases[i].path[g]) != 0)
                fail_msg("%s: GPU %u is %s from its NIC", cases[i].what, g,
                         topo_path_name(&p));
            if (strcmp(t->nics[c[g].nic].m->name, cases[i].chosen[g]) != 0)
                fail_msg("%s: GPU %u takes %s (%s)", cases[i].what, g,
                         t->nics[c[g].nic].m->name, c[g].why);
            nccl_choice_fini(&c[g]);
        }
        topo_destroy(t);
    }
}

/* ---- files of real machines, where they are ---- */

static void real_files(void **state)
{
    (void)state;
    static const char *const files[] = {"azure-ndv5-h100-vm/ndv5-topo.nccl.xml",
                                        "aws-p4d-24xl/p4d-24xl-topo.nccl.xml",
                                        "oci-bm-gpu-h100-8/H100-topology.nccl.xml",
                                        "amd-nps4-mi60-3nic/topo_8p_ts1_n4_2.rccl.xml"};
    static char text[LIMIT_NCCL_BYTES];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[200];
        struct ncclfile f;
        struct err e = {0};
        snprintf(path, sizeof path, "../shared/topologies/%s", files[i]);
        FILE *in = fopen(path, "r");
        if (!in)
            skip_because("there is no %s", path);
        size_t n = fread(text, 1, sizeof text, in);
        fclose(in);
        if (ncclfile_parse(text, n, &f, &e) < 0)
            fail_msg("%s: %s", files[i], e.text);
        assert_true(f.n > 10);
        ncclfile_fini(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read),     cmocka_unit_test(what_is_refused),
        cmocka_unit_test(what_is_too_much), cmocka_unit_test(what_a_file_changes),
        cmocka_unit_test(real_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
