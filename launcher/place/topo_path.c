/* SPDX-License-Identifier: MIT */
/* topo_path.c - how far devices are from each other, and what can be said of a NIC. */
#include <string.h>

#include "launcher/place/topo.h"
#include "proto/wire/busid.h"

#define PORT_ACTIVE       4u /* IBTA: 4 active, 5 active and deferring */
#define PORT_ACTIVE_DEFER 5u

/* ---- bus ids ---- */

int topo_compare_bus_ids(const char *a, const char *b)
{
    uint64_t x, y;
    bool good_a = busid_read(a, &x), good_b = busid_read(b, &y);
    if (good_a && good_b)
        return x < y ? -1 : x > y;
    if (good_a != good_b)
        return good_a ? -1 : 1;
    return strcmp(a, b);
}

/* ---- distances ---- */

struct topo_path topo_path_of_places(const struct topo_place *a,
                                     const struct topo_place *b)
{
    if (!a->located || !b->located)
        return (struct topo_path){.level = TOPO_SYS};
    enum topo_level level = a->node >= 0 && a->node == b->node            ? TOPO_NODE
                            : a->package >= 0 && a->package == b->package ? TOPO_PKG
                                                                          : TOPO_SYS;
    return (struct topo_path){.level = level, .known = true};
}

/* The nearest node above both, or one of them; -1: none. */
static int common(const struct topo *t, int a, int b)
{
    while (a >= 0 && b >= 0 && a != b) {
        if (t->pci[a].depth >= t->pci[b].depth)
            a = t->pci[a].parent;
        else
            b = t->pci[b].parent;
    }
    return a == b ? a : -1;
}

/* With the places of the devices themselves, which may be finer than those of their bus. */
static struct topo_path path(const struct topo *t, int a, const struct topo_place *pa,
                             int b, const struct topo_place *pb)
{
    int top = a >= 0 && b >= 0 ? common(t, a, b) : -1;
    if (top < 0)
        return topo_path_of_places(pa, pb);
    if (t->pci[top].m->kind == AOLANI__PCI_NODE__KIND__HOST_BRIDGE)
        return (struct topo_path){.level = TOPO_PHB, .known = true};
    if (a == b)
        return (struct topo_path){.level = TOPO_SWITCH, .known = true};
    unsigned below = t->pci[a].depth + t->pci[b].depth - 2 * t->pci[top].depth;
    return (struct topo_path){
        .level = TOPO_SWITCH, .bridges = below - 1, .known = true};
}

struct topo_path topo_path(const struct topo *t, int a, int b)
{
    static const struct topo_place nowhere = {.node = -1, .package = -1};
    return path(t, a, a >= 0 ? &t->pci[a].place : &nowhere, b,
                b >= 0 ? &t->pci[b].place : &nowhere);
}

struct topo_path topo_path_gpu_nic(const struct topo *t, uint32_t gpu, uint32_t nic)
{
    const struct topo_gpu *g = &t->gpus[gpu];
    const struct topo_nic *n = &t->nics[nic];
    return path(t, g->pci, &g->place, n->pci, &n->place);
}

int topo_path_compare(const struct topo_path *a, const struct topo_path *b)
{
    if (a->level != b->level)
        return a->level < b->level ? -1 : 1;
    if (a->bridges != b->bridges)
        return a->bridges < b->bridges ? -1 : 1;
    return 0;
}

const char *topo_path_name(const struct topo_path *p)
{
    switch (p->level) {
    case TOPO_SWITCH:
        return p->bridges <= 3 ? "PIX" : "PXB";
    case TOPO_PHB:
        return "PHB";
    case TOPO_NODE:
        return "NODE";
    case TOPO_PKG:
    case TOPO_SYS:
        break;
    }
    return "SYS";
}

/* ---- NICs ---- */

int topo_nic_port(const struct topo_nic *n)
{
    const Aolani__NicPort *best = NULL;
    bool best_up = false;
    for (size_t i = 0; i < n->m->n_ports; i++) {
        const Aolani__NicPort *p = n->m->ports[i];
        bool up = p->state == PORT_ACTIVE || p->state == PORT_ACTIVE_DEFER;
        if (!up && p->state != 0)
            continue;
        if (!best || (up && !best_up) ||
            (up == best_up && p->rate_mbits > best->rate_mbits)) {
            best = p;
            best_up = up;
        }
    }
    return best ? (int)best->number : -1;
}

bool topo_nic_is_rdma(const struct topo_nic *n)
{
    return n->m->kind != AOLANI__NIC__KIND__ETHERNET;
}

const char *topo_nic_kind(Aolani__Nic__Kind kind)
{
    switch (kind) {
    case AOLANI__NIC__KIND__INFINIBAND:
        return "InfiniBand";
    case AOLANI__NIC__KIND__ROCE:
        return "RoCE";
    case AOLANI__NIC__KIND__EFA:
        return "EFA";
    case AOLANI__NIC__KIND__SLINGSHOT:
        return "Slingshot";
    case AOLANI__NIC__KIND__OTHER_RDMA:
        return "RDMA";
    default: /* and what a newer node says */
        return "Ethernet";
    }
}
