/* SPDX-License-Identifier: MIT */
/* localize.c - see localize.h. */
#include "launcher/place/localize.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

/* Where a GPU belongs, among the cores in use; where it has none, the nearest. */
static int gpu_cores(struct division *d, uint32_t gpu, struct rankset *ret)
{
    const struct topo *t = d->topo;
    const struct topo_place *p = &t->gpus[gpu].place;
    enum localize_why why = LOCALIZE_NOT_LOCATED;
    int rc = 0;
    if (p->located) {
        why = LOCALIZE_IN_PACKAGE;
        rc = add_cores_in(d, &p->cpus, ret);
        if (rc < 0 || !is_empty(ret))
            return rc;
        if (p->package >= 0)
            rc = add_cores_in(d, &t->packages[p->package].cpus, ret);
        if (rc == 0 && is_empty(ret))
            why = LOCALIZE_FAR;
    }
    if (rc == 0 && why != LOCALIZE_IN_PACKAGE)
        rc = add_all(d, ret);
    if (rc < 0 || (why == LOCALIZE_NOT_LOCATED && place_count_numa(t) < 2))
        return rc;
    return rankset_add(&d->why[why], gpu);
}

static bool same_set(const struct rankset *a, const struct rankset *b)
{
    return rankset_contains(a, b) && rankset_contains(b, a);
}

static int add_to_party(struct division *d, uint32_t rank, struct rankset *cores)
{
    struct party *c = d->parties;
    size_t i = 0;
    while (i < d->n_parties && !same_set(&c[i].cores, cores))
        i++;
    if (i == d->n_parties) {
        if (!(c[i].ranks = calloc(d->site->n_ranks, sizeof *c[i].ranks)))
            return -ENOMEM;
        c[i].cores = *cores;
        c[i].gpu = d->site->ranks[rank].gpus[0];
        *cores = (struct rankset){0};
        d->n_parties++;
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

static int find_parties(struct division *d)
{
    uint32_t n = d->site->n_ranks;
    struct rankset *near = calloc(d->topo->n_gpus + 1, sizeof *near);
    bool *looked = calloc(d->topo->n_gpus + 1, sizeof *looked);
    struct turn *turns = calloc(n, sizeof *turns);
    d->parties = calloc(n, sizeof *d->parties);
    int rc = near && looked && turns && d->parties ? 0 : -ENOMEM;
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
                rc = gpu_cores(d, gpu, &near[gpu]);
            looked[gpu] = true;
            if (rc == 0)
                rc = rankset_merge(&cores, &near[gpu]);
        }
        if (rc == 0)
            rc = add_to_party(d, (uint32_t)(r - d->site->ranks), &cores);
        rankset_fini(&cores);
    }
    for (size_t i = 0; near && i < d->topo->n_gpus; i++)
        rankset_fini(&near[i]);
    free(near);
    free(looked);
    free(turns);
    return rc;
}

static int locate_parties(struct division *d)
{
    int rc = 0;
    for (size_t i = 0; i < d->n_parties && rc == 0; i++) {
        struct party *c = &d->parties[i];
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
                     const struct rankset *parties)
{
    return l->package == c->package && l->numa == c->numa &&
           same_set(&l->parties, parties);
}

static int add_to_lot(struct division *d, uint32_t at, struct rankset *parties,
                      size_t *last)
{
    const struct topo_core *c = &d->topo->cores[d->use[at]];
    size_t i = *last; /* neighbours are alike */
    if (i >= d->n_lots || !fits_lot(&d->lots[i], c, parties)) {
        i = 0;
        while (i < d->n_lots && !fits_lot(&d->lots[i], c, parties))
            i++;
    }
    struct lot *l = &d->lots[i];
    if (i == d->n_lots) {
        if (!(l->cores = calloc(d->n_use, sizeof *l->cores)))
            return -ENOMEM;
        l->parties = *parties;
        l->package = c->package;
        l->numa = c->numa;
        *parties = (struct rankset){0};
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
        struct rankset parties = {0};
        for (size_t k = 0; k < d->n_parties && rc == 0; k++) {
            if (rankset_has(&d->parties[k].cores, (uint32_t)i))
                rc = rankset_add(&parties, (uint32_t)k);
        }
        if (rc == 0)
            rc = add_to_lot(d, (uint32_t)i, &parties, &last);
        rankset_fini(&parties);
    }
    return rc;
}

static int fill_balance(struct division *d)
{
    struct balance *b = &d->balance;
    int rc = balance_init(b, d->n_lots, d->n_parties);
    for (size_t k = 0; k < d->n_parties && rc == 0; k++)
        b->weight[k] = (uint32_t)d->parties[k].n_ranks;
    for (size_t i = 0; i < d->n_lots && rc == 0; i++) {
        b->count[i] = (uint32_t)d->lots[i].n;
        for (size_t k = 0; k < d->n_parties; k++)
            b->may[i * d->n_parties + k] =
                rankset_has(&d->lots[i].parties, (uint32_t)k);
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

static bool is_near(const struct division *d, const struct party *c,
                    const struct lot *l, enum topo_level level)
{
    if (level == TOPO_NODE)
        return c->place.node >= 0 && l->numa == c->place.node;
    if (level == TOPO_PKG)
        return c->place.package >= 0 && l->package == c->place.package;
    return d->n_use > 0;
}

static bool take_one(struct division *d, size_t party, enum topo_level level)
{
    struct balance *b = &d->balance;
    const struct party *c = &d->parties[party];
    size_t from_lot = d->n_lots, from = b->n_takers;
    for (size_t i = 0; i < d->n_lots; i++) {
        if (!is_near(d, c, &d->lots[i], level))
            continue;
        if (unused(b, i) > 0) {
            balance_give(b, i, party);
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
    balance_give(b, from_lot, party);
    return true;
}

/* A core further away is better than one that is shared. */
static int borrow(struct division *d)
{
    struct balance *b = &d->balance;
    int rc = 0;
    for (size_t k = 0; k < d->n_parties && rc == 0; k++) {
        uint32_t had = b->has[k];
        for (enum topo_level level = TOPO_NODE; level <= TOPO_SYS; level++) {
            while (b->has[k] < b->weight[k] && take_one(d, k, level))
                continue;
        }
        if (b->has[k] > had)
            rc = rankset_add(&d->why[LOCALIZE_BORROWED], d->parties[k].gpu);
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
    for (size_t k = 0; k < d->n_parties; k++) {
        struct party *c = &d->parties[k];
        if (!(c->mine = calloc(b->has[k] + 1, sizeof *c->mine)))
            return -ENOMEM;
        for (size_t i = 0; i < d->n_lots; i++) {
            struct lot *l = &d->lots[i];
            uint32_t n = b->given[i * d->n_parties + k];
            for (uint32_t m = 0; m < n; m++)
                c->mine[c->n_mine++] = l->cores[l->taken++];
        }
        qsort(c->mine, c->n_mine, sizeof *c->mine, compare_places);
    }
    return 0;
}

/* ---- the whole ---- */

static int tell(struct division *d, struct err *e)
{
    static const char *const texts[] = {
        [LOCALIZE_NOT_LOCATED] =
            "the system does not say at which NUMA node it is, so its "
            "ranks have a share of all cores",
        [LOCALIZE_IN_PACKAGE] =
            "no CPU next to it may be used, so its ranks have cores "
            "elsewhere in its package",
        [LOCALIZE_FAR] =
            "no CPU next to it may be used, so its ranks have cores that are "
            "far from it",
        [LOCALIZE_BORROWED] = "fewer cores next to it than ranks, so some have cores "
                              "further away",
    };
    int rc = 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts && rc == 0; i++) {
        struct buf b;
        buf_init(&b, 1u << 16);
        if (!is_empty(&d->why[i]) && (rc = rankset_format(&d->why[i], &b)) == 0)
            rc = place_compromise(d->p, d->site->first_node, "", e, "gpu %s: %s",
                                  (char *)b.data, texts[i]);
        buf_fini(&b);
    }
    return rc;
}

int localize(struct division *d, struct err *e)
{
    int rc = find_parties(d);
    if (rc == 0)
        rc = locate_parties(d);
    if (rc == 0)
        rc = find_lots(d);
    if (rc == 0)
        rc = fill_balance(d);
    if (rc == 0)
        rc = borrow(d);
    if (rc == 0)
        rc = hand_out(d);
    return rc < 0 ? rc : tell(d, e);
}

void localize_fini(struct division *d)
{
    for (size_t i = 0; i < d->n_parties; i++) {
        rankset_fini(&d->parties[i].cores);
        topo_place_fini(&d->parties[i].place);
        free(d->parties[i].ranks);
        free(d->parties[i].mine);
    }
    for (size_t i = 0; i < d->n_lots; i++) {
        rankset_fini(&d->lots[i].parties);
        free(d->lots[i].cores);
    }
    free(d->parties);
    free(d->lots);
    for (size_t i = 0; i < LOCALIZE_WHYS; i++)
        rankset_fini(&d->why[i]);
    balance_fini(&d->balance);
}
