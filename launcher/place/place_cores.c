/* SPDX-License-Identifier: MIT */
/* place_cores.c - which cores are whose: those that ranks may have are found, dealt out by
 * locality (localize.h) or by NUMA node, and divided. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/place/localize.h"

/* ---- cores that ranks may have ---- */

/* The first core of a NUMA node (-1: of none) that is not kept; n_cores when it has no
 * other one to spare. */
static size_t spare_core(const struct topo *t, const bool *keep, int numa)
{
    size_t first = t->n_cores, n = 0;
    for (size_t i = t->n_cores; i-- > 0;) {
        if (t->cores[i].numa != numa || keep[i])
            continue;
        first = i;
        n++;
    }
    return n > 1 ? first : t->n_cores;
}

/* The first core of each NUMA node, then the second of each; a node's last core only when
 * no other has one to spare. n is less than there are cores. */
static void keep_free(const struct topo *t, bool *keep, size_t n)
{
    while (n > 0) {
        size_t before = n;
        for (int numa = -1; numa < (int)t->n_numa && n > 0; numa++) {
            size_t core = spare_core(t, keep, numa);
            if (core < t->n_cores) {
                keep[core] = true;
                n--;
            }
        }
        for (size_t i = 0; i < t->n_cores && n == before; i++) {
            n -= !keep[i];
            keep[i] = true;
        }
    }
}

static int compare_cores(const struct topo *t, uint32_t a, uint32_t b)
{
    const struct topo_core *x = &t->cores[a], *y = &t->cores[b];
    if (x->package != y->package)
        return x->package < y->package ? -1 : 1;
    if (x->numa != y->numa)
        return x->numa < y->numa ? -1 : 1;
    return x->l3 < y->l3 ? -1 : x->l3 > y->l3;
}

/* The message's order is the topological one; a message that has it otherwise would make
 * shares that are torn. By insertion: they are in order. */
static void order_cores(const struct topo *t, uint32_t *use, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        uint32_t core = use[i];
        size_t at = i;
        for (; at > 0 && compare_cores(t, use[at - 1], core) > 0; at--)
            use[at] = use[at - 1];
        use[at] = core;
    }
}

static int find_usable(struct division *d, struct err *e)
{
    const struct topo *t = d->topo;
    size_t keep_n = (size_t)d->p->spec->bind.housekeeping_cores;
    bool *keep = calloc(t->n_cores + 1, sizeof *keep);
    d->use = calloc(t->n_cores + 1, sizeof *d->use);
    if (!keep || !d->use) {
        free(keep);
        return -ENOMEM;
    }
    bool none_left = keep_n > 0 && keep_n >= t->n_cores;
    if (keep_n > 0 && !none_left)
        keep_free(t, keep, keep_n);
    for (size_t i = 0; i < t->n_cores; i++) {
        if (!keep[i])
            d->use[d->n_use++] = (uint32_t)i;
    }
    free(keep);
    order_cores(t, d->use, d->n_use);
    if (!none_left || t->n_cores == 0)
        return 0;
    return place_compromise(d->p, d->site->first_node, "ask for fewer", e,
                            "housekeeping_cores = %zu would leave no core of %zu, so "
                            "none is kept free",
                            keep_n, t->n_cores);
}

size_t place_count_numa(const struct topo *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n_numa; i++)
        n += !t->numa[i].of_gpu;
    return n;
}

static int set_cores(const struct division *d, uint32_t rank, const uint32_t *cores,
                     size_t n)
{
    const struct topo *t = d->topo;
    struct plan_rank *r = &d->site->ranks[rank];
    struct rankset cpus = {0};
    struct buf text;
    int rc = 0;
    bool several = t->known && place_count_numa(t) > 1;
    buf_init(&text, 1u << 17);
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = rankset_merge(&cpus, &t->cores[cores[i]].cpus);
    for (size_t i = 0; i < t->n_numa && several && rc == 0; i++) {
        if (!t->numa[i].of_gpu && rankset_intersects(&t->numa[i].cpus, &cpus))
            rc = rankset_add(&r->numa, t->numa[i].os);
    }
    if (rc == 0)
        rc = rankset_format(&cpus, &text);
    if (rc == 0 && !(r->cpus = strdup((char *)text.data)))
        rc = -ENOMEM;
    r->n_cores = (uint32_t)n;
    rankset_fini(&cpus);
    buf_fini(&text);
    return rc;
}

/* Fewer cores than ranks: in turn. */
static int share_cores(struct division *d, const uint32_t *ranks, size_t n_ranks,
                       const uint32_t *cores, size_t n)
{
    int rc = 0;
    for (size_t i = 0; i < n_ranks && rc == 0; i++) {
        uint32_t rank = ranks ? ranks[i] : (uint32_t)i;
        rc = set_cores(d, rank, &cores[i % n], 1);
        if (i % n + n < n_ranks || i >= n)
            d->p->plan->nodes[d->site->ranks[rank].node].oversubscribed = true;
    }
    return rc;
}

static int share_party(struct division *d, const struct party *c, uint32_t *cores)
{
    size_t n = c->n_mine;
    for (size_t i = 0; i < n; i++)
        cores[i] = d->use[c->mine[i]];
    if (n == 0) {
        for (int64_t i = rankset_next(&c->cores, 0); i >= 0;
             i = rankset_next(&c->cores, (uint32_t)i + 1))
            cores[n++] = d->use[i];
        for (size_t i = 0; i < c->n_ranks; i++) {
            uint32_t node = d->site->ranks[c->ranks[i]].node;
            d->p->plan->nodes[node].oversubscribed = true;
        }
    }
    return share_cores(d, c->ranks, c->n_ranks, cores, n);
}

static int divide_party(struct division *d, const struct party *c)
{
    uint32_t *cores = calloc(d->n_use + 1, sizeof *cores);
    size_t *cuts = calloc(c->n_ranks + 1, sizeof *cuts);
    int rc = cores && cuts ? 0 : -ENOMEM;
    if (rc == 0 && c->n_mine < c->n_ranks) {
        rc = share_party(d, c, cores);
    } else if (rc == 0) {
        for (size_t i = 0; i < c->n_mine; i++)
            cores[i] = d->use[c->mine[i]];
        rc = split_even(d->topo, cores, c->n_mine, c->n_ranks, cuts);
        for (size_t i = 0; i < c->n_ranks && rc == 0; i++)
            rc = set_cores(d, c->ranks[i], &cores[cuts[i]], cuts[i + 1] - cuts[i]);
    }
    free(cores);
    free(cuts);
    return rc;
}

static int divide_by_gpus(struct division *d, struct err *e)
{
    int rc = localize(d, e);
    for (size_t k = 0; k < d->n_parties && rc == 0; k++)
        rc = divide_party(d, &d->parties[k]);
    return rc;
}

/* ---- ranks without GPUs ---- */

static int divide_by_numa(struct division *d)
{
    uint32_t n = d->site->n_ranks;
    if (d->n_use < n)
        return share_cores(d, NULL, n, d->use, d->n_use);
    size_t *from = calloc(n, sizeof *from), *to = calloc(n, sizeof *to);
    int rc =
        from && to ? split_by_numa(d->topo, d->use, d->n_use, n, from, to) : -ENOMEM;
    for (uint32_t i = 0; i < n && rc == 0; i++)
        rc = set_cores(d, i, &d->use[from[i]], to[i] - from[i]);
    free(from);
    free(to);
    return rc;
}

/* ---- the whole ---- */

static int leave_unbound(struct division *d)
{
    const struct site *s = d->site;
    int rc = 0;
    for (uint32_t i = 0; i < s->n_ranks && rc == 0; i++)
        rc = set_cores(d, i, NULL, 0);
    for (uint32_t i = 0; i < s->n_nodes; i++)
        d->p->plan->nodes[s->first_node + i].oversubscribed = d->n_use < s->n_ranks;
    return rc;
}

static int tell_shared(struct division *d, struct err *e)
{
    const struct site *s = d->site;
    int rc = 0;
    for (uint32_t i = 0; i < s->n_nodes && rc == 0; i++) {
        if (d->p->plan->nodes[s->first_node + i].oversubscribed)
            rc = place_compromise(d->p, s->first_node + i, "run fewer ranks", e,
                                  "fewer cores than ranks, so ranks share cores");
    }
    return rc;
}

static void division_fini(struct division *d)
{
    localize_fini(d);
    free(d->use);
}

int place_cores(struct placing *p, const struct site *s, struct err *e)
{
    struct division d = {.p = p, .site = s, .topo = s->topo};
    int rc = find_usable(&d, e);
    if (rc < 0)
        goto fail;
    if (!p->spec->bind.cores || d.n_use == 0)
        rc = leave_unbound(&d);
    else if (s->ranks[0].n_gpus > 0)
        rc = divide_by_gpus(&d, e);
    else
        rc = divide_by_numa(&d);
    if (rc == 0 && p->spec->bind.cores)
        rc = tell_shared(&d, e);
fail:
    division_fini(&d);
    return rc;
}
