/* SPDX-License-Identifier: MIT */
/* place_cores.c - which cores are whose. Ranks with the same locality are a class; cores
 * that the same classes may have are a lot. Lots are dealt to classes as evenly as can be
 * (balance.h), since localities may be nested or overlap; then each class is divided. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/place/balance.h"
#include "launcher/place/place_impl.h"

struct class
{
    struct rankset cores;    /* places in division.use */
    struct topo_place place; /* of those cores */
    uint32_t gpu;            /* the first of its ranks' GPUs, for messages */
    uint32_t *ranks;         /* in site.ranks, in order */
    size_t n_ranks;
    uint32_t *mine; /* places in division.use, once dealt */
    size_t n_mine;
};

struct lot {
    struct rankset classes;
    int package, numa;
    uint32_t *cores; /* places in division.use */
    size_t n, taken;
};

struct division {
    struct placing *p;
    const struct site *site;
    const struct topo *topo;
    uint32_t *use; /* cores that ranks may have: indexes in topo, in order */
    size_t n_use;
    struct class *classes;
    size_t n_classes;
    struct lot *lots;
    size_t n_lots;
    struct balance balance;
};

/* ---- cores that ranks may have ---- */

/* The first core of each NUMA node, then the second of each; a node's last core only when
 * no other has one to spare. */
static void keep_free(const struct topo *t, bool *keep, size_t n)
{
    size_t left = t->n_cores;
    while (n > 0 && left > 1) {
        bool kept = false;
        for (int numa = -1; numa < (int)t->n_numa && n > 0 && left > 1; numa++) {
            size_t first = t->n_cores, free_cores = 0;
            for (size_t i = t->n_cores; i-- > 0;) {
                if (t->cores[i].numa != numa || keep[i])
                    continue;
                first = i;
                free_cores++;
            }
            if (free_cores < 2)
                continue;
            keep[first] = kept = true;
            n--;
            left--;
        }
        for (size_t i = 0; i < t->n_cores && !kept && n > 0 && left > 1; i++) {
            if (keep[i])
                continue;
            keep[i] = kept = true;
            n--;
            left--;
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

/* ---- localities ---- */

static int add_cores_in(const struct division *d, const struct rankset *cpus,
                        struct rankset *ret)
{
    int rc = 0;
    for (size_t i = 0; i < d->n_use && rc == 0; i++) {
        if (rankset_contains(cpus, &d->topo->cores[d->use[i]].cpus))
            rc = rankset_add(ret, (uint32_t)i);
    }
    return rc;
}

static bool is_empty(const struct rankset *s)
{
    return rankset_next(s, 0) < 0;
}

static int add_all(const struct division *d, struct rankset *ret)
{
    int rc = 0;
    for (size_t i = 0; i < d->n_use && rc == 0; i++)
        rc = rankset_add(ret, (uint32_t)i);
    return rc;
}

static size_t count_nodes(const struct topo *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n_numa; i++)
        n += !t->numa[i].of_gpu;
    return n;
}

/* Where a GPU belongs, among the cores in use; where it has none, the nearest. */
static int gpu_cores(struct division *d, uint32_t gpu, struct rankset *ret,
                     struct err *e)
{
    const struct topo *t = d->topo;
    const struct topo_place *p = &t->gpus[gpu].place;
    uint32_t node = d->site->first_node;
    if (!p->located) {
        int rc = add_all(d, ret);
        if (rc < 0 || count_nodes(t) < 2)
            return rc;
        return place_compromise(d->p, node, "", e,
                                "gpu %u: the system does not say which NUMA node it is "
                                "at, so its ranks have an even share of all cores",
                                gpu);
    }
    int rc = add_cores_in(d, &p->cpus, ret);
    if (rc < 0 || !is_empty(ret))
        return rc;
    if (p->package >= 0)
        rc = add_cores_in(d, &t->packages[p->package].cpus, ret);
    bool far = rc == 0 && is_empty(ret);
    if (far)
        rc = add_all(d, ret);
    if (rc < 0)
        return rc;
    return place_compromise(d->p, node, "", e,
                            "gpu %u: none of the CPUs next to it may be used, so its "
                            "ranks have cores %s",
                            gpu,
                            far ? "that are far from it" : "elsewhere in its package");
}

static bool same_set(const struct rankset *a, const struct rankset *b)
{
    return rankset_contains(a, b) && rankset_contains(b, a);
}

static int add_to_class(struct division *d, uint32_t rank, struct rankset *cores)
{
    struct class *c = d->classes;
    size_t i = 0;
    while (i < d->n_classes && !same_set(&c[i].cores, cores))
        i++;
    if (i == d->n_classes) {
        if (!(c[i].ranks = calloc(d->site->n_ranks, sizeof *c[i].ranks)))
            return -ENOMEM;
        c[i].cores = *cores;
        c[i].gpu = d->site->ranks[rank].gpus[0];
        *cores = (struct rankset){0};
        d->n_classes++;
    }
    c[i].ranks[c[i].n_ranks++] = rank;
    return 0;
}

/* ---- the order in which ranks are served ---- */

struct turn {
    const struct topo *topo;
    const struct plan_rank *rank;
};

static int compare_turns(const void *a, const void *b)
{
    const struct turn *x = a, *y = b;
    int c = place_compare_gpus(x->topo, x->rank->gpus[0], y->rank->gpus[0]);
    return c ? c : x->rank->rank < y->rank->rank ? -1 : x->rank->rank > y->rank->rank;
}

static int find_classes(struct division *d, struct err *e)
{
    uint32_t n = d->site->n_ranks;
    struct rankset *near = calloc(d->topo->n_gpus + 1, sizeof *near);
    bool *looked = calloc(d->topo->n_gpus + 1, sizeof *looked);
    struct turn *turns = calloc(n, sizeof *turns);
    d->classes = calloc(n, sizeof *d->classes);
    int rc = near && looked && turns && d->classes ? 0 : -ENOMEM;
    for (uint32_t i = 0; i < n && rc == 0; i++)
        turns[i] = (struct turn){d->topo, &d->site->ranks[i]};
    if (rc == 0)
        qsort(turns, n, sizeof *turns, compare_turns);
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        const struct plan_rank *r = turns[i].rank;
        struct rankset cores = {0};
        for (size_t k = 0; k < r->n_gpus && rc == 0; k++) {
            uint32_t gpu = r->gpus[k];
            if (!looked[gpu])
                rc = gpu_cores(d, gpu, &near[gpu], e);
            looked[gpu] = true;
            if (rc == 0)
                rc = rankset_merge(&cores, &near[gpu]);
        }
        if (rc == 0)
            rc = add_to_class(d, (uint32_t)(r - d->site->ranks), &cores);
        rankset_fini(&cores);
    }
    for (size_t i = 0; near && i < d->topo->n_gpus; i++)
        rankset_fini(&near[i]);
    free(near);
    free(looked);
    free(turns);
    return rc;
}

static int locate_classes(struct division *d)
{
    int rc = 0;
    for (size_t i = 0; i < d->n_classes && rc == 0; i++) {
        struct class *c = &d->classes[i];
        struct rankset cpus = {0};
        for (int64_t k = rankset_next(&c->cores, 0); k >= 0 && rc == 0;
             k = rankset_next(&c->cores, (uint32_t)k + 1))
            rc = rankset_merge(&cpus, &d->topo->cores[d->use[k]].cpus);
        if (rc == 0)
            rc = topo_place_of_cpus(d->topo, &cpus, &c->place);
        rankset_fini(&cpus);
    }
    return rc;
}

/* ---- lots ---- */

static bool fits_lot(const struct lot *l, const struct topo_core *c,
                     const struct rankset *classes)
{
    return l->package == c->package && l->numa == c->numa &&
           same_set(&l->classes, classes);
}

static int add_to_lot(struct division *d, uint32_t at, struct rankset *classes,
                      size_t *last)
{
    const struct topo_core *c = &d->topo->cores[d->use[at]];
    size_t i = *last; /* neighbours are alike */
    if (i >= d->n_lots || !fits_lot(&d->lots[i], c, classes)) {
        i = 0;
        while (i < d->n_lots && !fits_lot(&d->lots[i], c, classes))
            i++;
    }
    struct lot *l = &d->lots[i];
    if (i == d->n_lots) {
        if (!(l->cores = calloc(d->n_use, sizeof *l->cores)))
            return -ENOMEM;
        l->classes = *classes;
        l->package = c->package;
        l->numa = c->numa;
        *classes = (struct rankset){0};
        d->n_lots++;
    }
    l->cores[l->n++] = at;
    *last = i;
    return 0;
}

static int find_lots(struct division *d)
{
    int rc = (d->lots = calloc(d->n_use + 1, sizeof *d->lots)) ? 0 : -ENOMEM;
    size_t last = 0;
    for (size_t i = 0; i < d->n_use && rc == 0; i++) {
        struct rankset classes = {0};
        for (size_t k = 0; k < d->n_classes && rc == 0; k++) {
            if (rankset_has(&d->classes[k].cores, (uint32_t)i))
                rc = rankset_add(&classes, (uint32_t)k);
        }
        if (rc == 0)
            rc = add_to_lot(d, (uint32_t)i, &classes, &last);
        rankset_fini(&classes);
    }
    return rc;
}

static int fill_balance(struct division *d)
{
    struct balance *b = &d->balance;
    int rc = balance_init(b, d->n_lots, d->n_classes);
    for (size_t k = 0; k < d->n_classes && rc == 0; k++)
        b->weight[k] = (uint32_t)d->classes[k].n_ranks;
    for (size_t i = 0; i < d->n_lots && rc == 0; i++) {
        b->count[i] = (uint32_t)d->lots[i].n;
        for (size_t k = 0; k < d->n_classes; k++)
            b->may[i * d->n_classes + k] =
                rankset_has(&d->lots[i].classes, (uint32_t)k);
    }
    if (rc == 0)
        balance_deal(b);
    return rc < 0 ? rc : balance_even(b);
}

/* ---- fewer cores near than ranks ---- */

static uint32_t unused(const struct balance *b, size_t lot)
{
    uint32_t n = b->count[lot];
    for (size_t k = 0; k < b->n_takers; k++)
        n -= b->given[lot * b->n_takers + k];
    return n;
}

/* Whoever has most for each rank, and could give one core of the lot; n_takers: nobody. */
static size_t richest(const struct balance *b, size_t lot)
{
    size_t best = b->n_takers;
    for (size_t k = 0; k < b->n_takers; k++) {
        if (b->given[lot * b->n_takers + k] == 0 || b->has[k] <= b->weight[k])
            continue;
        if (best == b->n_takers || (uint64_t)b->has[k] * b->weight[best] >
                                       (uint64_t)b->has[best] * b->weight[k])
            best = k;
    }
    return best;
}

static bool is_near(const struct division *d, const struct class *c,
                    const struct lot *l, enum topo_level level)
{
    if (level == TOPO_NODE)
        return c->place.node >= 0 && l->numa == c->place.node;
    if (level == TOPO_PKG)
        return c->place.package >= 0 && l->package == c->place.package;
    return d->n_use > 0;
}

static bool take_one(struct division *d, size_t class, enum topo_level level)
{
    struct balance *b = &d->balance;
    const struct class *c = &d->classes[class];
    size_t from_lot = d->n_lots, from = b->n_takers;
    for (size_t i = 0; i < d->n_lots; i++) {
        if (!is_near(d, c, &d->lots[i], level))
            continue;
        if (unused(b, i) > 0) {
            balance_give(b, i, class);
            return true;
        }
        size_t k = richest(b, i);
        if (k < b->n_takers &&
            (from == b->n_takers || (uint64_t)b->has[k] * b->weight[from] >
                                        (uint64_t)b->has[from] * b->weight[k])) {
            from = k;
            from_lot = i;
        }
    }
    if (from == b->n_takers)
        return false;
    balance_take(b, from_lot, from);
    balance_give(b, from_lot, class);
    return true;
}

/* A core further away is better than one that is shared. */
static int borrow(struct division *d, struct err *e)
{
    struct balance *b = &d->balance;
    int rc = 0;
    for (size_t k = 0; k < d->n_classes && rc == 0; k++) {
        uint32_t had = b->has[k];
        for (enum topo_level level = TOPO_NODE; level <= TOPO_SYS; level++) {
            while (b->has[k] < b->weight[k] && take_one(d, k, level))
                continue;
        }
        if (b->has[k] > had)
            rc = place_compromise(d->p, d->site->first_node, "run fewer ranks", e,
                                  "gpu %u: fewer cores next to it than ranks, so some "
                                  "have cores further away",
                                  d->classes[k].gpu);
    }
    return rc;
}

/* ---- from numbers to cores ---- */

static int compare_places(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static int hand_out(struct division *d)
{
    struct balance *b = &d->balance;
    for (size_t k = 0; k < d->n_classes; k++) {
        struct class *c = &d->classes[k];
        if (!(c->mine = calloc(b->has[k] + 1, sizeof *c->mine)))
            return -ENOMEM;
        for (size_t i = 0; i < d->n_lots; i++) {
            struct lot *l = &d->lots[i];
            uint32_t n = b->given[i * d->n_classes + k];
            for (uint32_t m = 0; m < n; m++)
                c->mine[c->n_mine++] = l->cores[l->taken++];
        }
        qsort(c->mine, c->n_mine, sizeof *c->mine, compare_places);
    }
    return 0;
}

static int set_cores(const struct division *d, uint32_t rank, const uint32_t *cores,
                     size_t n)
{
    const struct topo *t = d->topo;
    struct plan_rank *r = &d->site->ranks[rank];
    struct rankset cpus = {0};
    struct buf text;
    int rc = 0;
    bool several = t->known && count_nodes(t) > 1;
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

static int share_class(struct division *d, const struct class *c, uint32_t *cores)
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

static int divide_class(struct division *d, const struct class *c)
{
    uint32_t *cores = calloc(d->n_use + 1, sizeof *cores);
    size_t *cuts = calloc(c->n_ranks + 1, sizeof *cuts);
    int rc = cores && cuts ? 0 : -ENOMEM;
    if (rc == 0 && c->n_mine < c->n_ranks) {
        rc = share_class(d, c, cores);
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
    int rc = find_classes(d, e);
    if (rc == 0)
        rc = locate_classes(d);
    if (rc == 0)
        rc = find_lots(d);
    if (rc == 0)
        rc = fill_balance(d);
    if (rc == 0)
        rc = borrow(d, e);
    if (rc == 0)
        rc = hand_out(d);
    for (size_t k = 0; k < d->n_classes && rc == 0; k++)
        rc = divide_class(d, &d->classes[k]);
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
    for (size_t i = 0; i < d->n_classes; i++) {
        rankset_fini(&d->classes[i].cores);
        topo_place_fini(&d->classes[i].place);
        free(d->classes[i].ranks);
        free(d->classes[i].mine);
    }
    for (size_t i = 0; i < d->n_lots; i++) {
        rankset_fini(&d->lots[i].classes);
        free(d->lots[i].cores);
    }
    free(d->classes);
    free(d->lots);
    free(d->use);
    balance_fini(&d->balance);
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
