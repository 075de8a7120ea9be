/* SPDX-License-Identifier: MIT */
/* ncclgraph.c - see ncclgraph.h. NCCL climbs /sys two folders at a time: of the three
 * bridges above a device behind a switch (its port of the switch, the switch's port, the
 * port of the root) only the second is a node of its tree. Its breadth-first search is kept
 * as it is, since which of two equal paths comes first decides their type. */
#include "launcher/place/ncclgraph.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/place/topo_impl.h"

/* ---- nodes ---- */

struct build {
    const struct topo *t;
    struct ncclgraph *g;
    int *node_of_pci; /* -1: none yet */
    size_t cap;
};

static int add_node(struct build *b, struct ncclgraph_node n)
{
    struct ncclgraph *g = b->g;
    if (g->n_nodes == b->cap) {
        size_t cap = 2 * b->cap + 64;
        void *more = realloc(g->nodes, cap * sizeof *g->nodes);
        if (!more)
            return -ENOMEM;
        g->nodes = more;
        b->cap = cap;
    }
    g->nodes[g->n_nodes] = n;
    return (int)g->n_nodes++;
}

static bool same_set(const struct rankset *a, const struct rankset *b)
{
    return rankset_contains(a, b) && rankset_contains(b, a);
}

/* What is not located is at NCCL's CPU "-1". */
static int cpu_at(struct build *b, const struct topo_place *place)
{
    static const struct topo_place nowhere = {.node = -1, .package = -1};
    if (!place || !place->located)
        place = &nowhere;
    for (size_t i = 0; i < b->g->n_nodes; i++) {
        const struct ncclgraph_node *n = &b->g->nodes[i];
        if (n->kind == NCCLGRAPH_CPU && same_set(&n->place->numa, &place->numa))
            return (int)i;
    }
    return add_node(
        b, (struct ncclgraph_node){
               .kind = NCCLGRAPH_CPU, .pci = -1, .parent = -1, .place = place});
}

static bool is_root(const struct topo *t, int pci)
{
    return pci < 0 || t->pci[pci].m->kind == AOLANI__PCI_NODE__KIND__HOST_BRIDGE;
}

/* The switch above, or -1: the CPU is. */
static int above(const struct topo *t, int pci)
{
    int one = t->pci[pci].parent;
    int two = is_root(t, one) ? -1 : t->pci[one].parent;
    return is_root(t, two) ? -1 : two;
}

/* The node that a PCI function hangs on, made with all above it: from the top down. */
static int parent_at(struct build *b, int pci)
{
    int chain[64];
    size_t n = 0;
    int top = pci;
    for (int up = above(b->t, pci); up >= 0 && n < 64; up = above(b->t, up)) {
        chain[n++] = up;
        top = up;
    }
    int parent = cpu_at(b, &b->t->pci[top].place);
    while (n > 0 && parent >= 0) {
        int at = chain[--n];
        if (b->node_of_pci[at] < 0)
            b->node_of_pci[at] = add_node(
                b, (struct ncclgraph_node){.kind = NCCLGRAPH_PCI,
                                           .pci = at,
                                           .parent = parent,
                                           .bandwidth = ncclgraph_link(b->t, at)});
        parent = b->node_of_pci[at];
    }
    return parent;
}

static int add_gpu(struct build *b, uint32_t gpu)
{
    const struct topo_gpu *from = &b->t->gpus[gpu];
    int parent = from->pci >= 0 ? parent_at(b, from->pci) : cpu_at(b, &from->place);
    if (parent < 0)
        return parent;
    int node = add_node(
        b, (struct ncclgraph_node){.kind = NCCLGRAPH_GPU,
                                   .pci = from->pci,
                                   .parent = parent,
                                   .bandwidth = ncclgraph_link(b->t, from->pci)});
    if (node < 0)
        return node;
    b->g->gpus[b->g->n_gpus++] = (uint32_t)node;
    return 0;
}

/* Its card, where that is not there yet; one that is not on PCI hangs on the first CPU. */
static int card_at(struct build *b, int pci)
{
    for (size_t i = 0; i < b->g->n_nodes; i++) {
        if (b->g->nodes[i].kind == NCCLGRAPH_NIC && b->g->nodes[i].pci == pci)
            return (int)i;
    }
    int parent = pci >= 0 ? parent_at(b, pci) : cpu_at(b, NULL);
    for (size_t i = 0; pci < 0 && i < b->g->n_nodes; i++) {
        if (b->g->nodes[i].kind == NCCLGRAPH_CPU) {
            parent = (int)i;
            break;
        }
    }
    if (parent < 0)
        return parent;
    return add_node(
        b, (struct ncclgraph_node){.kind = NCCLGRAPH_NIC,
                                   .pci = pci,
                                   .parent = parent,
                                   .bandwidth = pci < 0 ? NCCLGRAPH_LOCAL
                                                        : ncclgraph_link(b->t, pci)});
}

static int add_nets(struct build *b, const int *cards)
{
    for (size_t i = 0; i < b->g->n_nets; i++) {
        int card = card_at(b, cards[i]);
        int node = card < 0 ? card
                            : add_node(b, (struct ncclgraph_node){
                                              .kind = NCCLGRAPH_NET,
                                              .pci = -1,
                                              .parent = card,
                                              .bandwidth = b->g->nets[i].bandwidth});
        if (node < 0)
            return node;
        b->g->nets[i].node = (uint32_t)node;
    }
    return 0;
}

/* ---- Broadcom's switches of two levels are one to NCCL ---- */

static unsigned broadcom(const struct topo *t, const struct ncclgraph_node *n,
                         unsigned level)
{
    if (n->kind != NCCLGRAPH_PCI)
        return 0;
    const Aolani__PciNode *m = t->pci[n->pci].m;
    if (m->vendor != 0x1000 || m->subsystem >> 16 != 0x1000)
        return 0;
    unsigned kind = m->subsystem & 0xf000;
    if (m->device == 0xc010 && kind == 0xa000)
        return 4;
    return m->device == 0xc030 && kind == level << 12 ? 5 : 0;
}

static void flatten(struct build *b)
{
    struct ncclgraph *g = b->g;
    for (size_t i = 0; i < g->n_nodes; i++) {
        struct ncclgraph_node *n = &g->nodes[i];
        int top = n->kind == NCCLGRAPH_PCI ? n->parent : -1;
        unsigned gen = top >= 0 ? broadcom(b->t, &g->nodes[top], 0) : 0;
        if (gen && !g->nodes[top].gone && broadcom(b->t, n, 1) == gen)
            n->gone = true;
    }
    for (size_t i = 0; i < g->n_nodes; i++) {
        int up = g->nodes[i].parent;
        if (up >= 0 && g->nodes[up].gone)
            g->nodes[i].parent = g->nodes[up].parent;
    }
}

/* ---- links between nodes ---- */

static int add_link(struct ncclgraph_node *n, uint32_t to, enum nccl_path type,
                    float bandwidth)
{
    if ((n->n_links & (n->n_links + 1)) == 0) { /* 0, 1, 3, 7: room for twice as many */
        void *more = realloc(n->links, (2 * n->n_links + 1) * sizeof *n->links);
        if (!more)
            return -ENOMEM;
        n->links = more;
    }
    size_t at = n->n_links++;
    while (at > 0 && n->links[at - 1].bandwidth < bandwidth) {
        n->links[at] = n->links[at - 1];
        at--;
    }
    n->links[at] =
        (struct ncclgraph_link){.to = to, .type = type, .bandwidth = bandwidth};
    return 0;
}

static int connect(struct ncclgraph *g, uint32_t a, uint32_t b, enum nccl_path type,
                   float bandwidth)
{
    int rc = add_link(&g->nodes[a], b, type, bandwidth);
    return rc < 0 ? rc : add_link(&g->nodes[b], a, type, bandwidth);
}

static int cpu_of(const struct ncclgraph *g, uint32_t node)
{
    int at = (int)node;
    while (g->nodes[at].parent >= 0)
        at = g->nodes[at].parent;
    return at;
}

static int connect_c2c(struct build *b, const uint32_t *gpus)
{
    int rc = 0;
    for (size_t i = 0; i < b->g->n_gpus && rc == 0; i++) {
        uint32_t node = b->g->gpus[i];
        if (ncclgraph_has_c2c(b->t, &b->t->gpus[gpus[i]]))
            rc = connect(b->g, node, (uint32_t)cpu_of(b->g, node), NCCL_PATH_C2C,
                         NCCLGRAPH_C2C);
    }
    return rc;
}

static int connect_all(struct build *b, const uint32_t *gpus)
{
    struct ncclgraph *g = b->g;
    float between = ncclgraph_between_cpus(b->t);
    int rc = 0;
    for (size_t i = 0; i < g->n_nodes && rc == 0; i++) {
        const struct ncclgraph_node *n = &g->nodes[i];
        if (n->parent >= 0 && !n->gone)
            rc = connect(g, (uint32_t)i, (uint32_t)n->parent,
                         n->kind == NCCLGRAPH_NET ? NCCL_PATH_NET : NCCL_PATH_PIX,
                         n->bandwidth);
    }
    if (rc == 0)
        rc = connect_c2c(b, gpus);
    for (size_t i = 0; i < g->n_nodes && rc == 0; i++) {
        for (size_t k = 0; k < i && rc == 0; k++) {
            if (g->nodes[i].kind == NCCLGRAPH_CPU && g->nodes[k].kind == NCCLGRAPH_CPU)
                rc = connect(g, (uint32_t)i, (uint32_t)k, NCCL_PATH_SYS, between);
        }
    }
    return rc;
}

/* ---- the order of networks: by CPU as they were met, then down the tree by address ---- */

static size_t way_down(const struct ncclgraph *g, uint32_t node, uint32_t *ret,
                       size_t max)
{
    size_t n = 0;
    for (int at = (int)node; at >= 0 && n < max; at = g->nodes[at].parent)
        ret[n++] = (uint32_t)at;
    for (size_t i = 0; i < n / 2; i++) {
        uint32_t swap = ret[i];
        ret[i] = ret[n - 1 - i];
        ret[n - 1 - i] = swap;
    }
    return n;
}

static bool comes_before(const struct topo *t, const struct ncclgraph *g, uint32_t x,
                         uint32_t y)
{
    uint32_t a[80], b[80];
    size_t n_a = way_down(g, x, a, 80), n_b = way_down(g, y, b, 80);
    for (size_t i = 0; i < n_a && i < n_b; i++) {
        if (a[i] == b[i])
            continue;
        int pa = g->nodes[a[i]].pci, pb = g->nodes[b[i]].pci;
        int by_bus = pa >= 0 && pb >= 0 ? topo_compare_bus_ids(t->pci[pa].m->bus_id,
                                                               t->pci[pb].m->bus_id)
                                        : 0;
        return by_bus ? by_bus < 0 : a[i] < b[i];
    }
    return false;
}

static void sort_nets(const struct topo *t, struct ncclgraph *g)
{
    for (size_t i = 1; i < g->n_nets; i++) {
        struct ncclgraph_net net = g->nets[i];
        size_t at = i;
        for (; at > 0 && comes_before(t, g, net.node, g->nets[at - 1].node); at--)
            g->nets[at] = g->nets[at - 1];
        g->nets[at] = net;
    }
}

/* ---- the whole ---- */

/* The first rank's GPU, then the networks, then the others: the order in which the ranks'
 * views are put together, which is that of the CPUs. */
static int fill(struct build *b, const int *cards, const uint32_t *gpus, size_t n_gpus)
{
    int rc = n_gpus > 0 ? add_gpu(b, gpus[0]) : 0;
    if (rc == 0)
        rc = add_nets(b, cards);
    for (size_t i = 1; i < n_gpus && rc == 0; i++)
        rc = add_gpu(b, gpus[i]);
    if (rc < 0)
        return rc;
    flatten(b);
    rc = connect_all(b, gpus);
    if (rc == 0)
        sort_nets(b->t, b->g);
    return rc;
}

int ncclgraph_build(const struct topo *t, const struct nccl_env *env,
                    const uint32_t *nics, size_t n_nics, const uint32_t *gpus,
                    size_t n_gpus, struct ncclgraph *ret)
{
    struct ncclgraph g = {0};
    struct build b = {.t = t, .g = &g};
    int cards[NCCLGRAPH_NETS];
    g.gpus = calloc(n_gpus + 1, sizeof *g.gpus);
    b.node_of_pci = malloc((t->n_pci + 1) * sizeof *b.node_of_pci);
    int rc = g.gpus && b.node_of_pci ? 0 : -ENOMEM;
    for (size_t i = 0; rc == 0 && i < t->n_pci; i++)
        b.node_of_pci[i] = -1;
    if (rc == 0) {
        g.n_nets = ncclnets_of(t, env, nics, n_nics, g.nets, cards);
        rc = fill(&b, cards, gpus, n_gpus);
    }
    free(b.node_of_pci);
    if (rc < 0)
        ncclgraph_fini(&g);
    else
        *ret = g;
    return rc < 0 ? rc : 0;
}

void ncclgraph_fini(struct ncclgraph *g)
{
    for (size_t i = 0; i < g->n_nodes; i++)
        free(g->nodes[i].links);
    free(g->nodes);
    free(g->gpus);
    *g = (struct ncclgraph){0};
}
