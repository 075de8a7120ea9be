/* SPDX-License-Identifier: MIT */
/* node - a description of an invented node for unit tests: 2 packages of 8 cores with two
 * threads, 4 host bridges, below each a PCI switch with a GPU and an InfiniBand NIC.
 * Included after cmocka by test files; what it makes is changed by them before topo_load.
 */
#ifndef TESTS_LIB_NODE_H
#define TESTS_LIB_NODE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/place/topo.h"

#define NODE_CORES 16
#define NODE_NUMA  8
#define NODE_UNITS 4 /* host bridge, root port, upstream, 2 downstream, GPU, NIC */
#define NODE_PCI   (7 * NODE_UNITS)

struct node {
    Aolani__Topology m;
    Aolani__CpuGroup package[2], l3[4];
    Aolani__NumaNode numa[NODE_NUMA];
    Aolani__Core core[NODE_CORES];
    Aolani__PciNode pci[NODE_PCI];
    Aolani__PciLink link[NODE_PCI];
    Aolani__Gpu gpu[NODE_UNITS];
    Aolani__Nic nic[NODE_UNITS];
    Aolani__NicPort port[NODE_UNITS];
    Aolani__CpuGroup *packages[2], *l3s[4];
    Aolani__NumaNode *numas[NODE_NUMA];
    Aolani__Core *cores[NODE_CORES];
    Aolani__PciNode *pcis[NODE_PCI];
    Aolani__Gpu *gpus[NODE_UNITS];
    Aolani__Nic *nics[NODE_UNITS];
    Aolani__NicPort *ports[NODE_UNITS];
    uint32_t pus[NODE_CORES][2], near[2];
    char text[NODE_PCI + 64][48];
    size_t n_text;
};

static char *node_text(struct node *n, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static char *node_text(struct node *n, const char *fmt, ...)
{
    va_list ap;
    assert_true(n->n_text < sizeof n->text / sizeof *n->text);
    char *at = n->text[n->n_text++];
    va_start(ap, fmt);
    (void)vsnprintf(at, sizeof n->text[0], fmt, ap);
    va_end(ap);
    return at;
}

static char *node_cpus(struct node *n, unsigned first, unsigned cores)
{
    return node_text(n, "%u-%u,%u-%u", first, first + cores - 1, NODE_CORES + first,
                     NODE_CORES + first + cores - 1);
}

/* n_numa: 2 or 4. */
static void node_cpu(struct node *n, unsigned n_numa)
{
    for (unsigned i = 0; i < 2; i++) {
        aolani__cpu_group__init(n->packages[i] = &n->package[i]);
        n->package[i].os_index = i;
        n->package[i].cpus = node_cpus(n, 8 * i, 8);
    }
    for (unsigned i = 0; i < 4; i++) {
        aolani__cpu_group__init(n->l3s[i] = &n->l3[i]);
        n->l3[i].os_index = i;
        n->l3[i].cpus = node_cpus(n, 4 * i, 4);
    }
    for (unsigned i = 0; i < n_numa; i++) {
        aolani__numa_node__init(n->numas[i] = &n->numa[i]);
        n->numa[i].os_index = i;
        n->numa[i].cpus = node_cpus(n, NODE_CORES / n_numa * i, NODE_CORES / n_numa);
        n->numa[i].mem_bytes = (1024ull << 30) / n_numa;
        n->numa[i].package = 1 + i / (n_numa / 2);
    }
    for (unsigned i = 0; i < NODE_CORES; i++) {
        aolani__core__init(n->cores[i] = &n->core[i]);
        n->pus[i][0] = i;
        n->pus[i][1] = NODE_CORES + i;
        n->core[i].pus = n->pus[i];
        n->core[i].n_pus = 2;
    }
    n->m.allowed_cpus = "0-31";
    n->m.packages = n->packages, n->m.n_packages = 2;
    n->m.l3 = n->l3s, n->m.n_l3 = 4;
    n->m.numa = n->numas, n->m.n_numa = n_numa;
    n->m.cores = n->cores, n->m.n_cores = NODE_CORES;
}

static Aolani__PciNode *node_pci(struct node *n, unsigned parent, int kind, char *bus)
{
    size_t i = n->m.n_pci++;
    Aolani__PciNode *p = &n->pci[i];
    aolani__pci_node__init(n->pcis[i] = p);
    aolani__pci_link__init(&n->link[i]);
    n->link[i].max_mts = n->link[i].now_mts = 32000;
    n->link[i].max_width = n->link[i].now_width = 16;
    p->parent = parent;
    p->kind = (Aolani__PciNode__Kind)kind;
    p->bus_id = bus;
    if (parent)
        p->link = &n->link[i];
    return p;
}

static void node_devices(struct node *n, unsigned unit, unsigned gpu_pci,
                         unsigned nic_pci)
{
    Aolani__Gpu *g = n->gpus[unit] = &n->gpu[unit];
    Aolani__Nic *c = n->nics[unit] = &n->nic[unit];
    Aolani__NicPort *p = n->ports[unit] = &n->port[unit];
    aolani__gpu__init(g);
    aolani__nic__init(c);
    aolani__nic_port__init(p);
    g->pci = 1 + gpu_pci;
    g->bus_id = n->pci[gpu_pci].bus_id;
    g->nvml_index = (int)unit;
    g->uuid = node_text(n, "GPU-00000000-0000-0000-0000-00000000000%u", unit);
    g->vendor = "NVIDIA";
    g->model = "NVIDIA H100 80GB HBM3";
    g->mem_bytes = 80ull << 30;
    g->mem_numa = -1;
    c->pci = 1 + nic_pci;
    c->bus_id = n->pci[nic_pci].bus_id;
    c->name = node_text(n, "mlx5_%u", unit);
    c->kind = AOLANI__NIC__KIND__INFINIBAND;
    c->ports = &n->ports[unit];
    c->n_ports = 1;
    p->number = 1;
    p->state = 4;
    p->layer = "InfiniBand";
    p->rate_mbits = 400000;
    g->located = c->located = true;
    g->cpus = c->cpus = n->numa[unit / 2].cpus;
    g->numa = c->numa = &n->near[unit / 2];
    g->n_numa = c->n_numa = 1;
}

static void node_unit(struct node *n, unsigned unit)
{
    unsigned bus = 0x10 + 0x20 * unit, host = (unsigned)n->m.n_pci;
    Aolani__PciNode *p = node_pci(n, 0, AOLANI__PCI_NODE__KIND__HOST_BRIDGE,
                                  node_text(n, "0000:%02x", bus));
    p->cpus = n->numa[unit / 2].cpus;
    p->located = true;
    p->numa = &n->near[unit / 2];
    p->n_numa = 1;
    node_pci(n, host + 1, AOLANI__PCI_NODE__KIND__BRIDGE,
             node_text(n, "0000:%02x:01.0", bus));
    node_pci(n, host + 2, AOLANI__PCI_NODE__KIND__BRIDGE,
             node_text(n, "0000:%02x:00.0", bus + 1));
    for (unsigned i = 0; i < 2; i++) {
        node_pci(n, host + 3, AOLANI__PCI_NODE__KIND__BRIDGE,
                 node_text(n, "0000:%02x:%02x.0", bus + 2, i));
        p = node_pci(n, (unsigned)n->m.n_pci, AOLANI__PCI_NODE__KIND__DEVICE,
                     node_text(n, "0000:%02x:00.0", bus + 3 + i));
        p->class_id = i ? 0x0207 : 0x0302;
        p->vendor = i ? 0x15b3 : 0x10de;
        p->device = i ? 0x1021 : 0x2330;
    }
    node_devices(n, unit, host + 4, host + 6);
}

/* n_numa: 2, or 4 without devices. */
static struct node *node_make(unsigned n_numa)
{
    struct node *n = calloc(1, sizeof *n);
    assert_non_null(n);
    aolani__topology__init(&n->m);
    n->near[1] = 1;
    n->m.source = "xml test";
    n->m.product = "Test 4";
    n->m.gpu_driver = "NVIDIA 570.86.15";
    node_cpu(n, n_numa);
    n->m.pci = n->pcis, n->m.gpus = n->gpus, n->m.nics = n->nics;
    for (unsigned i = 0; n_numa == 2 && i < NODE_UNITS; i++)
        node_unit(n, i);
    n->m.n_gpus = n->m.n_nics = n_numa == 2 ? NODE_UNITS : 0;
    return n;
}

/* Leaves out the GPU or NIC at i. */
static inline void node_drop_gpu(struct node *n, size_t i)
{
    memmove(n->gpus + i, n->gpus + i + 1, (--n->m.n_gpus - i) * sizeof *n->gpus);
}
static inline void node_drop_nic(struct node *n, size_t i)
{
    memmove(n->nics + i, n->nics + i + 1, (--n->m.n_nics - i) * sizeof *n->nics);
}

static struct topo *node_topo(struct node *n)
{
    struct topo *t = NULL;
    struct err e;
    if (topo_load(&n->m, &t, &e) < 0)
        fail_msg("%s", e.text);
    return t;
}

#endif
