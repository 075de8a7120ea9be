/* SPDX-License-Identifier: MIT */
/* ncclnets.c - which networks NCCL makes of a node's NICs (its transport net_ib, and the
 * joining of ports in src/graph/topo.cc). A card is known by its PCI address with function
 * and, for virtual functions, device set to 0: in a virtual machine that has put several
 * cards on one bus this joins what does not belong together, and NCCL does so too. What
 * net_ib cannot use is a plug-in's (of libfabric), which names the function itself. */
#include <stdlib.h>
#include <string.h>

#include "launcher/place/ncclgraph.h"
#include "proto/wire/busid.h"

#define MBITS_PER_GB 8000.0f

static bool is_for_net_ib(const struct topo_nic *n)
{
    return n->m->kind == AOLANI__NIC__KIND__INFINIBAND ||
           n->m->kind == AOLANI__NIC__KIND__ROCE;
}

/* -1: nothing has this address here, as when a virtual machine has only a card's virtual
 * functions. */
static int card_of(const struct topo *t, const struct topo_nic *n, bool merge_vfs)
{
    uint64_t key, other;
    if (!is_for_net_ib(n))
        return n->pci;
    if (n->pci < 0 || !busid_read(t->pci[n->pci].m->bus_id, &key))
        return -1;
    key &= ~(uint64_t)(merge_vfs ? BUSID_SLOT : BUSID_FUNCTION);
    for (size_t i = 0; i < t->n_pci; i++) {
        const Aolani__PciNode *m = t->pci[i].m;
        if (m->kind != AOLANI__PCI_NODE__KIND__HOST_BRIDGE &&
            busid_read(m->bus_id, &other) && other == key)
            return (int)i;
    }
    return -1;
}

static size_t add_ports(const struct topo *t, const struct nccl_env *env, uint32_t nic,
                        struct ncclnets_port *ret, size_t n)
{
    const struct topo_nic *from = &t->nics[nic];
    if (!topo_nic_is_rdma(from))
        return n;
    int card = card_of(t, from, env->merge_vfs);
    for (size_t i = 0; i < from->m->n_ports && n < NCCLGRAPH_NETS; i++) {
        const Aolani__NicPort *p = from->m->ports[i];
        if (p->state != 0 && p->state != 4)
            continue;
        ret[n++] = (struct ncclnets_port){
            .nic = nic,
            .pci = card,
            .bandwidth =
                p->rate_mbits ? (float)p->rate_mbits / MBITS_PER_GB : NCCLGRAPH_LOCAL,
            .layer = p->layer,
            .fusable = is_for_net_ib(from)};
    }
    return n;
}

/* The ports that NCCL would join with the first of them; a mixture of link layers fails,
 * and then the first stays alone. */
static size_t join(const struct ncclnets_port *ports, size_t n, size_t first,
                   const bool *placed, size_t *ret)
{
    size_t found = 0;
    ret[found++] = first;
    for (size_t i = 0; i < n && found < NCCL_FUSED_MAX && ports[first].fusable; i++) {
        if (i == first || placed[i] || ports[i].pci != ports[first].pci)
            continue;
        if (!ports[i].fusable || strcmp(ports[i].layer, ports[first].layer) != 0)
            return 1;
        ret[found++] = i;
    }
    return found;
}

size_t ncclnets_of(const struct topo *t, const struct nccl_env *env,
                   const uint32_t *nics, size_t n_nics, struct ncclgraph_net *ret,
                   int *ret_pci)
{
    struct ncclnets_port ports[NCCLGRAPH_NETS];
    bool placed[NCCLGRAPH_NETS] = {false};
    size_t n = 0, n_nets = 0;
    for (size_t i = 0; i < n_nics; i++)
        n = add_ports(t, env, nics[i], ports, n);
    for (size_t i = 0; i < n; i++) {
        if (placed[i])
            continue;
        size_t together[NCCL_FUSED_MAX] = {i}, n_together = 1;
        if (env->fuse)
            n_together = join(ports, n, i, placed, together);
        struct ncclgraph_net *net = &ret[n_nets];
        *net = (struct ncclgraph_net){0};
        for (size_t k = 0; k < n_together; k++) {
            placed[together[k]] = true;
            net->nics[net->n_nics++] = ports[together[k]].nic;
            net->bandwidth += ports[together[k]].bandwidth;
        }
        ret_pci[n_nets++] = ports[i].pci;
    }
    return n_nets;
}

/* ---- NCCL_IB_HCA ---- */

static bool has_port(const Aolani__Nic *m, const char *text)
{
    unsigned long port = strtoul(text, NULL, 10);
    for (size_t i = 0; i < m->n_ports; i++) {
        if (m->ports[i]->number == port)
            return true;
    }
    return false;
}

static bool is_named(const Aolani__Nic *m, const char *list, bool whole)
{
    size_t len = strlen(m->name);
    while (*list) {
        size_t part = strcspn(list, ","), n = strcspn(list, ",:");
        bool fits =
            n > 0 && (whole ? n == len : n <= len) && memcmp(m->name, list, n) == 0;
        if (fits && (list[n] != ':' || has_port(m, list + n + 1)))
            return true;
        list += part + (list[part] == ',');
    }
    return false;
}

size_t nccl_nics_named(const struct topo *t, const char *value, uint32_t *ret)
{
    bool others = *value == '^';
    value += others;
    bool whole = *value == '=';
    value += whole;
    size_t n = 0;
    for (uint32_t i = 0; i < t->n_nics; i++) {
        if (topo_nic_is_rdma(&t->nics[i]) &&
            (!*value || is_named(t->nics[i].m, value, whole) != others))
            ret[n++] = i;
    }
    return n;
}
