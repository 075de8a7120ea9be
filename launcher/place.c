/* SPDX-License-Identifier: MIT */
/* place.c - see place.h. */
#include "launcher/place.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/hostlist.h"
#include "proto/base/limits.h"
#include "proto/base/rankset.h"

struct span {
    size_t first, n; /* cores of a node's list */
};

/* Share i of n of a list of `total`, contiguous, sizes equal within one. */
static struct span even_share(size_t total, size_t i, size_t n)
{
    size_t from = total * i / n;
    return (struct span){from, total * (i + 1) / n - from};
}

/* The cores a rank gets within its node's span: its share, or one core in turn when
 * there are fewer cores than ranks. */
static struct span rank_cores(struct span node, size_t local_rank, size_t n_local)
{
    if (node.n >= n_local) {
        struct span s = even_share(node.n, local_rank, n_local);
        return (struct span){node.first + s.first, s.n};
    }
    return (struct span){node.first + local_rank % node.n, 1};
}

static int span_text(const Aolani__NodeInfo *info, struct span cores, char **ret)
{
    struct rankset set = {0};
    struct buf text;
    buf_init(&text, 1u << 16);
    int rc = 0;
    for (size_t i = cores.first; i < cores.first + cores.n && rc == 0; i++) {
        const Aolani__Core *core = info->cores[i];
        for (size_t k = 0; k < core->n_pus && rc == 0; k++)
            rc = rankset_add(&set, core->pus[k]);
    }
    if (rc == 0)
        rc = rankset_format(&set, &text);
    if (rc == 0 && !(*ret = strdup(text.len ? (char *)text.data : "")))
        rc = -ENOMEM;
    rankset_fini(&set);
    buf_fini(&text);
    return rc;
}

static void warn(struct plan *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void warn(struct plan *p, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        text = NULL;
    va_end(ap);
    char **more =
        text ? realloc(p->warnings, (p->n_warnings + 1) * sizeof *more) : NULL;
    if (!more) {
        free(text);
        return;
    }
    p->warnings = more;
    p->warnings[p->n_warnings++] = text;
}

/* What of its machine's cores a node may use. */
static struct span node_cores(const struct spec *s, bool shared_host,
                              const Aolani__NodeInfo *info, uint32_t node,
                              uint32_t n_nodes)
{
    size_t keep = (size_t)s->bind.housekeeping_cores;
    size_t total = info->n_cores;
    if (keep >= total)
        keep = 0;
    struct span all = {keep, total - keep};
    if (!shared_host || all.n == 0)
        return all;
    if (all.n < n_nodes)
        return (struct span){all.first + node % all.n, 1};
    struct span share = even_share(all.n, node, n_nodes);
    return (struct span){all.first + share.first, share.n};
}

static int place_node(const struct spec *s, bool shared_host, const char *name,
                      const Aolani__NodeInfo *info, uint32_t node, struct plan *p,
                      struct err *e)
{
    uint32_t first = p->first_rank[node];
    uint32_t n_local = p->first_rank[node + 1] - first;
    struct span cores = node_cores(s, shared_host, info, node, p->n_nodes);
    p->oversubscribed[node] = cores.n < n_local;
    if (s->bind.cores && s->bind.strict && cores.n < n_local)
        return err_set(e, ERR_BIND, "node \"%s\" has %zu cores for %u ranks", name,
                       cores.n, n_local);
    for (uint32_t i = 0; i < n_local; i++) {
        struct plan_rank *r = &p->ranks[first + i];
        *r = (struct plan_rank){.rank = first + i, .node = node, .local_rank = i};
        bool bound = s->bind.cores && cores.n > 0;
        struct span mine = bound ? rank_cores(cores, i, n_local) : (struct span){0, 0};
        if (span_text(info, mine, &r->cpus) < 0)
            return err_sys(e, -ENOMEM, "place rank %u", first + i);
    }
    return 0;
}

static int plan_alloc(struct plan *p, uint32_t n_nodes, uint32_t per_node)
{
    p->n_nodes = n_nodes;
    p->world_size = n_nodes * per_node;
    p->first_rank = calloc(n_nodes + 1, sizeof *p->first_rank);
    p->ranks = calloc(p->world_size, sizeof *p->ranks);
    p->oversubscribed = calloc(n_nodes, sizeof *p->oversubscribed);
    if (!p->first_rank || !p->ranks || !p->oversubscribed)
        return -ENOMEM;
    for (uint32_t i = 0; i <= n_nodes; i++)
        p->first_rank[i] = i * per_node;
    return 0;
}

/* One line for all nodes: on a large job the same words a thousand times help nobody. */
static void warn_oversubscribed(struct plan *p, char *const *names)
{
    struct hostlist l = {0};
    struct buf text;
    buf_init(&text, 1u << 20);
    l.names = calloc(p->n_nodes, sizeof *l.names);
    for (uint32_t i = 0; l.names && i < p->n_nodes; i++) {
        if (p->oversubscribed[i])
            l.names[l.n++] = names[i];
    }
    if (l.n > 0 && hostlist_format(&l, &text) == 0)
        warn(p, "%s: fewer cores than ranks, so ranks share cores", (char *)text.data);
    buf_fini(&text);
    free(l.names);
}

int place(const struct spec *s, bool shared_host, char *const *names,
          const Aolani__NodeInfo *const *nodes, uint32_t n_nodes, struct plan *ret,
          struct err *e)
{
    if (s->job.ranks_per_node <= 0) {
        err_set(e, ERR_BIND, "ranks_per_node = \"gpu\": no GPU is known on node \"%s\"",
                names[0]);
        return err_hint(e, "set [job] ranks_per_node to a number");
    }
    if (s->job.ranks_per_node > LIMIT_LOCAL_RANKS)
        return err_set(e, ERR_BIND, "%lld ranks per node are more than %u",
                       (long long)s->job.ranks_per_node, LIMIT_LOCAL_RANKS);
    if ((uint64_t)s->job.ranks_per_node * n_nodes > LIMIT_RANKS)
        return err_set(e, ERR_BIND, "%lld ranks on each of %u nodes are more than %u",
                       (long long)s->job.ranks_per_node, n_nodes, LIMIT_RANKS);
    struct plan p = {0};
    int rc = plan_alloc(&p, n_nodes, (uint32_t)s->job.ranks_per_node);
    if (rc < 0)
        err_sys(e, rc, "place %lld ranks on each node",
                (long long)s->job.ranks_per_node);
    for (uint32_t i = 0; i < n_nodes && rc == 0; i++)
        rc = place_node(s, shared_host, names[i], nodes[i], i, &p, e);
    if (rc < 0) {
        plan_fini(&p);
        return rc;
    }
    if (s->bind.cores)
        warn_oversubscribed(&p, names);
    *ret = p;
    return 0;
}

void plan_fini(struct plan *p)
{
    for (uint32_t i = 0; p->ranks && i < p->world_size; i++)
        free(p->ranks[i].cpus);
    for (size_t i = 0; i < p->n_warnings; i++)
        free(p->warnings[i]);
    free(p->warnings);
    free(p->ranks);
    free(p->first_rank);
    free(p->oversubscribed);
    *p = (struct plan){0};
}
