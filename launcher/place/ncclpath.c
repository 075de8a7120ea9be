/* SPDX-License-Identifier: MIT */
/* ncclpath.c - the paths that NCCL finds from one node to all others (ncclTopoSetPaths). */
#include <errno.h>
#include <stdlib.h>

#include "launcher/place/ncclgraph.h"

static enum nccl_path worse(enum nccl_path a, enum nccl_path b)
{
    return a > b ? a : b;
}

static enum nccl_path type_of(const struct ncclgraph *g, uint32_t from,
                              const struct ncclgraph_link *l)
{
    enum ncclgraph_kind a = g->nodes[from].kind, b = g->nodes[l->to].kind;
    if (l->type == NCCL_PATH_NET)
        return NCCL_PATH_LOC;
    if (l->type != NCCL_PATH_PIX)
        return l->type;
    if (a == NCCLGRAPH_CPU || b == NCCLGRAPH_CPU)
        return NCCL_PATH_PHB;
    return a == NCCLGRAPH_PCI && b == NCCLGRAPH_PCI ? NCCL_PATH_PXB : NCCL_PATH_PIX;
}

struct search {
    const struct ncclgraph *g;
    uint32_t from;
    struct ncclgraph_path *paths;
    uint32_t *next;
    bool *in_next;
    size_t n_next;
};

/* A path is replaced by one of more bandwidth that is not longer. None goes through a GPU:
 * NVLink is looked at apart. */
static void follow(struct search *s, uint32_t node)
{
    const struct ncclgraph_node *n = &s->g->nodes[node];
    struct ncclgraph_path here = s->paths[node];
    if (node != s->from && n->kind == NCCLGRAPH_GPU)
        return;
    for (size_t i = 0; i < n->n_links; i++) {
        const struct ncclgraph_link *l = &n->links[i];
        struct ncclgraph_path *there = &s->paths[l->to];
        float bandwidth = here.bandwidth < l->bandwidth ? here.bandwidth : l->bandwidth;
        if ((there->bandwidth > 0 && there->hops <= here.hops) ||
            there->bandwidth >= bandwidth)
            continue;
        *there =
            (struct ncclgraph_path){.type = worse(here.type, type_of(s->g, node, l)),
                                    .bandwidth = bandwidth,
                                    .hops = here.hops + 1};
        if (!s->in_next[l->to]) {
            s->in_next[l->to] = true;
            s->next[s->n_next++] = l->to;
        }
    }
}

int ncclgraph_paths(const struct ncclgraph *g, uint32_t from,
                    struct ncclgraph_path *ret)
{
    uint32_t *now = calloc(g->n_nodes, sizeof *now);
    struct search s = {.g = g,
                       .from = from,
                       .paths = ret,
                       .next = calloc(g->n_nodes, sizeof *s.next),
                       .in_next = calloc(g->n_nodes, sizeof *s.in_next)};
    int rc = now && s.next && s.in_next ? 0 : -ENOMEM;
    for (size_t i = 0; i < g->n_nodes; i++)
        ret[i] = (struct ncclgraph_path){.type = NCCL_PATH_DIS};
    ret[from] =
        (struct ncclgraph_path){.type = NCCL_PATH_LOC, .bandwidth = NCCLGRAPH_LOCAL};
    size_t n_now = 0;
    if (rc == 0)
        now[n_now++] = from;
    while (n_now > 0) {
        s.n_next = 0;
        for (size_t i = 0; i < n_now; i++)
            follow(&s, now[i]);
        for (size_t i = 0; i < s.n_next; i++) {
            now[i] = s.next[i];
            s.in_next[now[i]] = false;
        }
        n_now = s.n_next;
    }
    free(now);
    free(s.next);
    free(s.in_next);
    return rc;
}
