/* SPDX-License-Identifier: MIT */
/* place_gpus.c - which GPUs are whose, and in which order ranks see them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/place/place_impl.h"

struct gpu_share place_gpu_share(const struct spec *s, const struct topo *t,
                                 uint32_t node, uint32_t n_nodes)
{
    uint32_t n = (uint32_t)t->n_gpus;
    if (n == 0 || (s->bind.gpu && strcmp(s->bind.gpu, "none") == 0))
        return (struct gpu_share){0, 0};
    if (n < n_nodes)
        return (struct gpu_share){node % n, 1};
    uint32_t from = (uint32_t)((uint64_t)n * node / n_nodes);
    uint32_t to = (uint32_t)((uint64_t)n * (node + 1) / n_nodes);
    return (struct gpu_share){from, to - from};
}

bool place_has_devices(const struct topo *t)
{
    return t->n_pci > 0 || t->n_nics > 0 || t->n_gpus > 0;
}

int place_compare_gpus(const struct topo *t, uint32_t a, uint32_t b)
{
    int c = topo_compare_bus_ids(t->gpus[a].m->bus_id, t->gpus[b].m->bus_id);
    if (c == 0 && t->gpus[a].m->partition != t->gpus[b].m->partition)
        c = t->gpus[a].m->partition < t->gpus[b].m->partition ? -1 : 1;
    return c ? c : a < b ? -1 : a > b;
}

static int give_gpus(struct plan_rank *r, struct gpu_share share, uint32_t n_ranks)
{
    uint32_t i = r->local_rank;
    struct gpu_share mine = {share.first + i % share.n, 1};
    if (n_ranks <= share.n) {
        uint32_t from = (uint32_t)((uint64_t)share.n * i / n_ranks);
        uint32_t to = (uint32_t)((uint64_t)share.n * (i + 1) / n_ranks);
        mine = (struct gpu_share){share.first + from, to - from};
    }
    if (!(r->gpus = calloc(mine.n, sizeof *r->gpus)))
        return -ENOMEM;
    r->n_gpus = mine.n;
    for (uint32_t k = 0; k < mine.n; k++)
        r->gpus[k] = mine.first + k;
    return 0;
}

static void add_once(struct plan_node *n, uint32_t gpu)
{
    for (size_t i = 0; i < n->n_gpus; i++) {
        if (n->gpus[i] == gpu)
            return;
    }
    n->gpus[n->n_gpus++] = gpu;
}

static int order_gpus(struct plan_node *n, const struct plan_rank *ranks,
                      uint32_t n_ranks, uint32_t n_gpus)
{
    if (!(n->gpus = calloc(n_gpus, sizeof *n->gpus)))
        return -ENOMEM;
    for (uint32_t i = 0; i < n_ranks; i++)
        add_once(n, ranks[i].gpus[0]);
    for (uint32_t i = 0; i < n_ranks; i++) {
        for (size_t k = 1; k < ranks[i].n_gpus; k++)
            add_once(n, ranks[i].gpus[k]);
    }
    return 0;
}

static int place_node_gpus(struct placing *p, const struct site *s, uint32_t node,
                           struct err *e)
{
    struct plan *plan = p->plan;
    struct gpu_share share =
        place_gpu_share(p->spec, s->topo, node - s->first_node, s->n_nodes);
    struct plan_rank *ranks = &plan->ranks[plan->first_rank[node]];
    uint32_t n = plan->first_rank[node + 1] - plan->first_rank[node];
    int rc = 0;
    for (uint32_t i = 0; i < n && share.n > 0 && rc == 0; i++)
        rc = give_gpus(&ranks[i], share, n);
    if (rc == 0 && share.n > 0)
        rc = order_gpus(&plan->nodes[node], ranks, n, share.n);
    if (rc == 0 && share.n > 0 && n > share.n)
        rc = place_compromise(
            p, node, "run no more ranks than GPUs, or set [bind] gpu = \"none\"", e,
            "%u ranks share %u GPU%s", n, share.n, share.n == 1 ? "" : "s");
    return rc;
}

int place_gpus(struct placing *p, const struct site *s, struct err *e)
{
    int rc = 0;
    uint32_t end = s->first_node + s->n_nodes;
    for (uint32_t node = s->first_node; node < end && rc == 0; node++)
        rc = place_node_gpus(p, s, node, e);
    uint32_t n_gpus = place_gpu_share(p->spec, s->topo, 0, 1).n;
    if (rc == 0 && n_gpus > 0 && n_gpus < s->n_nodes)
        rc = place_compromise(p, s->first_node,
                              "simulate fewer nodes, or set [bind] gpu = \"none\"", e,
                              "%u simulated nodes share %u GPU%s", s->n_nodes, n_gpus,
                              n_gpus == 1 ? "" : "s");
    if (rc == 0 && n_gpus == 0 && p->any_gpus && !s->topo->why)
        rc = place_compromise(
            p, s->first_node, "leave the node out, or set [bind] gpu = \"none\"", e,
            "%s, and other nodes of the job have, so its ranks run "
            "without",
            place_has_devices(s->topo) ? "it has no GPU" : "no device of it is known");
    return rc;
}
