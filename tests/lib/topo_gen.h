/* SPDX-License-Identifier: MIT */
/* topo_gen - a node's description from one line, and such lines at random. Included after
 * cmocka by test files.
 *
 * "2x2x1x4t2": packages x NUMA nodes in each x L3 groups in each x cores in each, threads.
 * Thread 0 of core i is CPU i, thread 1 CPU i + cores. Then, separated by blanks:
 *   =0-5,8   only these CPUs are allowed
 *   bN bpN blN b-   a host bridge at NUMA node N, package N, L3 group N, or nobody knows where
 *   s        a switch below the bridge or switch before; u: back to the host bridge
 *   g        a GPU (its index is its place in the line)
 *   i r f h  a NIC: InfiniBand, RoCE, EFA, Slingshot; t: Ethernet without RDMA
 *   j        InfiniBand of another model; w: of the first, but slower
 *   d        InfiniBand, its port down; v: a virtual function
 *   .        before one of these: another function of the card before, not one of its own
 *   m        a NUMA node that is memory of a GPU
 * NICs are mlx5_0, mlx5_1, ... in the order of the line; so are bus ids.
 */
#ifndef TESTS_LIB_TOPO_GEN_H
#define TESTS_LIB_TOPO_GEN_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/place/topo.h"

#define TOPO_GEN_CORES 512
#define TOPO_GEN_PCI   256
#define TOPO_GEN_MANY  64

struct topo_gen {
    Aolani__Topology m;
    Aolani__CpuGroup package[TOPO_GEN_MANY], l3[TOPO_GEN_CORES];
    Aolani__NumaNode numa[TOPO_GEN_MANY];
    Aolani__Core core[TOPO_GEN_CORES];
    Aolani__PciNode pci[TOPO_GEN_PCI];
    Aolani__Gpu gpu[TOPO_GEN_MANY];
    Aolani__Nic nic[TOPO_GEN_MANY];
    Aolani__NicPort port[TOPO_GEN_MANY];
    Aolani__CpuGroup *packages[TOPO_GEN_MANY], *l3s[TOPO_GEN_CORES];
    Aolani__NumaNode *numas[TOPO_GEN_MANY];
    Aolani__Core *cores[TOPO_GEN_CORES];
    Aolani__PciNode *pcis[TOPO_GEN_PCI];
    Aolani__Gpu *gpus[TOPO_GEN_MANY];
    Aolani__Nic *nics[TOPO_GEN_MANY];
    Aolani__NicPort *ports[TOPO_GEN_MANY];
    uint32_t pus[TOPO_GEN_CORES][2], numa_of[TOPO_GEN_PCI][TOPO_GEN_MANY];
    unsigned shape[4], threads, all_cores, bus;
    struct rankset allowed;
    int bridge, here, device; /* indexes in pci; -1 */
    char *texts[4096];
    size_t n_texts;
};

static char *topo_gen_keep(struct topo_gen *g, char *text)
{
    assert_non_null(text);
    assert_true(g->n_texts < sizeof g->texts / sizeof *g->texts);
    return g->texts[g->n_texts++] = text;
}

/* The allowed CPUs of cores [from, to), as text. */
static char *topo_gen_cpus(struct topo_gen *g, unsigned from, unsigned to)
{
    struct rankset s = {0};
    struct buf b;
    buf_init(&b, 1 << 16);
    for (unsigned i = from; i < to; i++) {
        for (unsigned k = 0; k < g->threads; k++) {
            if (rankset_has(&g->allowed, i + k * g->all_cores))
                assert_int_equal(rankset_add(&s, i + k * g->all_cores), 0);
        }
    }
    assert_int_equal(rankset_format(&s, &b), 0);
    char *text = topo_gen_keep(g, strdup((char *)b.data));
    rankset_fini(&s);
    buf_fini(&b);
    return text;
}

static void topo_gen_processors(struct topo_gen *g)
{
    unsigned per_numa = g->shape[2] * g->shape[3], per_package = g->shape[1] * per_numa;
    unsigned n_numa = g->shape[0] * g->shape[1], n_l3 = n_numa * g->shape[2];
    for (unsigned i = 0; i < g->shape[0]; i++) {
        aolani__cpu_group__init(g->packages[i] = &g->package[i]);
        g->package[i].os_index = i;
        g->package[i].cpus = topo_gen_cpus(g, i * per_package, (i + 1) * per_package);
    }
    for (unsigned i = 0; i < n_numa; i++) {
        aolani__numa_node__init(g->numas[i] = &g->numa[i]);
        g->numa[i].os_index = i;
        g->numa[i].cpus = topo_gen_cpus(g, i * per_numa, (i + 1) * per_numa);
        g->numa[i].package = 1 + i / g->shape[1];
    }
    for (unsigned i = 0; i < n_l3; i++) {
        aolani__cpu_group__init(g->l3s[i] = &g->l3[i]);
        g->l3[i].cpus = topo_gen_cpus(g, i * g->shape[3], (i + 1) * g->shape[3]);
    }
    g->m.n_packages = g->shape[0];
    g->m.n_numa = n_numa;
    g->m.n_l3 = n_l3;
    for (unsigned i = 0; i < g->all_cores; i++) {
        Aolani__Core *c = &g->core[g->m.n_cores];
        uint32_t *pus = g->pus[g->m.n_cores];
        aolani__core__init(c);
        for (unsigned k = 0; k < g->threads; k++) {
            if (rankset_has(&g->allowed, i + k * g->all_cores))
                pus[c->n_pus++] = i + k * g->all_cores;
        }
        c->pus = pus;
        if (c->n_pus > 0)
            g->cores[g->m.n_cores++] = c;
    }
}

static int topo_gen_pci(struct topo_gen *g, int parent, Aolani__PciNode__Kind kind,
                        const char *bus_id)
{
    int i = (int)g->m.n_pci++;
    assert_true(i < TOPO_GEN_PCI);
    Aolani__PciNode *p = g->pcis[i] = &g->pci[i];
    aolani__pci_node__init(p);
    p->parent = (uint32_t)(parent + 1);
    p->kind = kind;
    p->bus_id = topo_gen_keep(g, strdup(bus_id));
    return i;
}

static int topo_gen_new_bus(struct topo_gen *g, int parent, Aolani__PciNode__Kind kind)
{
    char id[32];
    snprintf(id, sizeof id, kind ? "0000:%02x:00.0" : "0000:%02x", ++g->bus);
    return topo_gen_pci(g, parent, kind, id);
}

/* Where the token says: "b0", "bp1", "bl3", "b-". */
static void topo_gen_bridge(struct topo_gen *g, const char *token)
{
    unsigned l3 = g->shape[3], numa = g->shape[2] * l3, package = g->shape[1] * numa;
    char what = token[1];
    unsigned size = what == 'p' ? package : what == 'l' ? l3 : numa;
    unsigned n = (unsigned)atoi(token + (what == 'p' || what == 'l' ? 2 : 1));
    g->bridge = g->here = topo_gen_new_bus(g, -1, AOLANI__PCI_NODE__KIND__HOST_BRIDGE);
    Aolani__PciNode *p = &g->pci[g->bridge];
    if (what == '-')
        return;
    p->located = 1;
    p->cpus = topo_gen_cpus(g, n * size, (n + 1) * size);
    p->numa = g->numa_of[g->bridge];
    for (unsigned i = n * size / numa; i * numa < (n + 1) * size; i++)
        p->numa[p->n_numa++] = i;
}

/* A device: below a switch it has a port of its own. */
static void topo_gen_device(struct topo_gen *g, uint32_t vendor, uint32_t device,
                            bool same_card)
{
    char id[32];
    if (same_card) {
        snprintf(id, sizeof id, "%s", g->pci[g->device].bus_id);
        id[strlen(id) - 1]++;
        g->device = topo_gen_pci(g, (int)g->pci[g->device].parent - 1,
                                 AOLANI__PCI_NODE__KIND__DEVICE, id);
    } else {
        int at = g->here;
        if (at != g->bridge)
            at = topo_gen_new_bus(g, at, AOLANI__PCI_NODE__KIND__BRIDGE);
        g->device = topo_gen_new_bus(g, at, AOLANI__PCI_NODE__KIND__DEVICE);
    }
    g->pci[g->device].vendor = vendor;
    g->pci[g->device].device = device;
}

static void topo_gen_gpu(struct topo_gen *g, bool same_card)
{
    char text[40];
    size_t i = g->m.n_gpus++;
    topo_gen_device(g, 0x10de, 0x2330, same_card);
    aolani__gpu__init(g->gpus[i] = &g->gpu[i]);
    g->gpu[i].pci = (uint32_t)g->device + 1;
    g->gpu[i].bus_id = g->pci[g->device].bus_id;
    snprintf(text, sizeof text, "GPU-%04zx", i);
    g->gpu[i].uuid = topo_gen_keep(g, strdup(text));
    g->gpu[i].nvml_index = (int32_t)i;
    g->gpu[i].mem_numa = -1;
}

static void topo_gen_nic(struct topo_gen *g, char what, bool same_card)
{
    char text[40];
    size_t i = g->m.n_nics++;
    assert_true(i < TOPO_GEN_MANY);
    topo_gen_device(g, 0x15b3,
                    what == 'j'   ? 0x101b
                    : what == 'v' ? 0x101e
                                  : 0x1021,
                    same_card);
    aolani__nic__init(g->nics[i] = &g->nic[i]);
    aolani__nic_port__init(g->ports[i] = &g->port[i]);
    g->port[i].number = 1;
    g->port[i].state = what == 'd' ? 1 : 4;
    g->port[i].rate_mbits = what == 'd' ? 10000 : what == 'w' ? 100000 : 400000;
    g->nic[i].pci = (uint32_t)g->device + 1;
    g->nic[i].bus_id = g->pci[g->device].bus_id;
    g->nic[i].kind = what == 'r'   ? AOLANI__NIC__KIND__ROCE
                     : what == 'f' ? AOLANI__NIC__KIND__EFA
                     : what == 'h' ? AOLANI__NIC__KIND__SLINGSHOT
                     : what == 't' ? AOLANI__NIC__KIND__ETHERNET
                                   : AOLANI__NIC__KIND__INFINIBAND;
    g->nic[i].virtual_function = what == 'v';
    g->nic[i].ports = &g->ports[i];
    g->nic[i].n_ports = 1;
    snprintf(text, sizeof text, "mlx5_%zu", i);
    g->nic[i].name = topo_gen_keep(g, strdup(text));
}

static void topo_gen_gpu_memory(struct topo_gen *g)
{
    Aolani__NumaNode *n = g->numas[g->m.n_numa] = &g->numa[g->m.n_numa];
    aolani__numa_node__init(n);
    n->os_index = 255u - (uint32_t)g->m.n_numa++;
    n->of_gpu = 1;
}

static void topo_gen_token(struct topo_gen *g, const char *token)
{
    bool same_card = *token == '.';
    char what = token[same_card];
    if (what == 'b')
        topo_gen_bridge(g, token);
    else if (what == 's') /* a port and, behind it, the switch */
        g->here = topo_gen_new_bus(
            g, topo_gen_new_bus(g, g->here, AOLANI__PCI_NODE__KIND__BRIDGE),
            AOLANI__PCI_NODE__KIND__BRIDGE);
    else if (what == 'u')
        g->here = g->bridge;
    else if (what == 'm')
        topo_gen_gpu_memory(g);
    else if (what == 'g')
        topo_gen_gpu(g, same_card);
    else if (strchr("irfhtjwdv", what))
        topo_gen_nic(g, what, same_card);
    else if (what != '=')
        fail_msg("topo_gen: \"%s\"", token);
}

static void topo_gen_init(struct topo_gen *g, const char *line)
{
    char *copy = strdup(line), *save, *token = strtok_r(copy, " ", &save);
    memset(g, 0, sizeof *g);
    aolani__topology__init(&g->m);
    g->threads = 1;
    assert_true(sscanf(token, "%ux%ux%ux%ut%u", &g->shape[0], &g->shape[1],
                       &g->shape[2], &g->shape[3], &g->threads) >= 4);
    g->all_cores = g->shape[0] * g->shape[1] * g->shape[2] * g->shape[3];
    assert_true(g->all_cores <= TOPO_GEN_CORES && g->threads <= 2);
    for (unsigned i = 0; i < g->all_cores * g->threads; i++)
        assert_int_equal(rankset_add(&g->allowed, i), 0);
    const char *only = strchr(line, '=');
    if (only) {
        char cpus[200];
        snprintf(cpus, sizeof cpus, "%.*s", (int)strcspn(only + 1, " "), only + 1);
        assert_int_equal(rankset_parse(&g->allowed, cpus, NULL), 0);
    }
    g->m.allowed_cpus = topo_gen_cpus(g, 0, g->all_cores);
    topo_gen_processors(g);
    while ((token = strtok_r(NULL, " ", &save)))
        topo_gen_token(g, token);
    free(copy);
    g->m.packages = g->packages;
    g->m.numa = g->numas;
    g->m.l3 = g->l3s;
    g->m.cores = g->cores;
    g->m.pci = g->pcis;
    g->m.gpus = g->gpus;
    g->m.nics = g->nics;
}

static void topo_gen_fini(struct topo_gen *g)
{
    for (size_t i = 0; i < g->n_texts; i++)
        free(g->texts[i]);
    rankset_fini(&g->allowed);
}

/* ---- at random ---- */

static uint32_t topo_gen_next(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

static __attribute__((unused)) void topo_gen_line(uint64_t seed, char *line, size_t len)
{
    static const unsigned numas[] = {1, 1, 2, 4}, threads[] = {1, 2};
    static const char *const devices[] = {"g", "g",  "g", "i", "i", "i", "d",
                                          "j", ".i", "t", "w", "u", "s", "s"};
    uint64_t x = seed * 0x9e3779b97f4a7c15u + 1;
    unsigned p = 1 + topo_gen_next(&x) % 2, m = numas[topo_gen_next(&x) % 4];
    unsigned l = 1 + topo_gen_next(&x) % 3, c = 1 + topo_gen_next(&x) % 6;
    size_t n = (size_t)snprintf(line, len, "%ux%ux%ux%ut%u", p, m, l, c,
                                threads[topo_gen_next(&x) % 2]);
    if (topo_gen_next(&x) % 4 == 0) {
        unsigned from = topo_gen_next(&x) % (p * m * l * c);
        unsigned to = from + topo_gen_next(&x) % (p * m * l * c - from);
        n += (size_t)snprintf(line + n, len - n, " =%u-%u", from, to);
    }
    bool card = false;
    for (unsigned b = 1 + topo_gen_next(&x) % 4; b > 0; b--) {
        unsigned where = topo_gen_next(&x) % 8, at = topo_gen_next(&x);
        n += where == 0   ? (size_t)snprintf(line + n, len - n, " b-")
             : where == 1 ? (size_t)snprintf(line + n, len - n, " bp%u", at % p)
             : where < 4
                 ? (size_t)snprintf(line + n, len - n, " bl%u", at % (p * m * l))
                 : (size_t)snprintf(line + n, len - n, " b%u", at % (p * m));
        card = false;
        for (unsigned k = topo_gen_next(&x) % 9; k > 0; k--) {
            const char *d =
                devices[topo_gen_next(&x) % (sizeof devices / sizeof *devices)];
            if (*d == '.' && !card)
                continue;
            card = *d == 'i';
            n += (size_t)snprintf(line + n, len - n, " %s", d);
        }
    }
}

#endif
