/* SPDX-License-Identifier: MIT */
/* links_blame.c - whose fault slow measurements are; see links.h.
 *
 * Nodes first that are slow on all of their rails, then single ends of rails: the one with
 * the most slow partners before others, and what it explains is taken away: a good one that
 * only met slow ones is left with nothing. What remains is between two nodes; a single
 * measurement of a moment does not say so, if there was a chance to repeat it and it was not
 * slow again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/audit/links.h"
#include "launcher/audit/rounds.h"

#define NOISE_EXPLAINS 4.0 /* times slower: CPUs that are busy do no more to a link */
#define ALL_BUT        4u  /* one measurement in as many may be good, of a slow link */

struct tally { /* of an end and an aspect */
    uint32_t slow, all;
    double factor; /* the largest */
    uint32_t pair;
    uint32_t like; /* the partner counted last, + 1 */
};

struct blaming {
    const struct audit *a;
    const struct links *l;
    unsigned *left; /* of each pair: aspects not yet explained */
    /* Of each end: node * rails + rail. */
    bool *blamed;
    struct tally (*tally)[LINKS_ASPECTS];
    struct links_blame *ret;
    size_t n, cap;
};

static size_t end_of(const struct blaming *b, uint32_t x, uint32_t rail)
{
    return (size_t)x * b->l->n_rails + rail;
}

static bool is_explained(const struct blaming *b, const struct audit_pair *p)
{
    uint32_t rail = links_rail(b->l, p);
    return b->blamed[end_of(b, p->a, rail)] || b->blamed[end_of(b, p->b, rail)];
}

static int add_blame(struct blaming *b, const struct links_blame *one)
{
    if (b->n == b->cap) {
        size_t cap = b->cap ? b->cap * 2 : 8;
        struct links_blame *grown = reallocarray(b->ret, cap, sizeof *grown);
        if (!grown)
            return -ENOMEM;
        b->ret = grown;
        b->cap = cap;
    }
    b->ret[b->n++] = *one;
    return 0;
}

static bool is_lost(const struct audit *a, const struct audit_pair *p)
{
    return a->nodes[p->a].error || a->nodes[p->b].error;
}

/* Measurements, not partners, are counted; that there were two partners is seen apart. */
static void count_end(struct blaming *b, uint32_t i, uint32_t x, uint32_t other)
{
    const struct audit_pair *p = &b->a->pairs[i];
    unsigned seen = links_seen_by(p, b->left[i], x);
    for (int k = 0; k < LINKS_ASPECTS; k++) {
        struct tally *t = &b->tally[end_of(b, x, links_rail(b->l, p))][k];
        t->all += 1;
        if (!(seen >> k & 1))
            continue;
        t->slow += t->like != other + 1; /* the same partner again is no witness */
        t->all -= t->like == other + 1;
        t->like = other + 1;
        if (b->l->pairs[i].factor >= t->factor) {
            t->factor = b->l->pairs[i].factor;
            t->pair = i;
        }
    }
}

static void count_all(struct blaming *b)
{
    memset(b->tally, 0, b->a->n * b->l->n_rails * sizeof *b->tally);
    for (size_t i = 0; i < b->a->n_pairs; i++) {
        const struct audit_pair *p = &b->a->pairs[i];
        if (is_lost(b->a, p) || is_explained(b, p))
            continue;
        count_end(b, (uint32_t)i, p->a, p->b);
        count_end(b, (uint32_t)i, p->b, p->a);
    }
}

static bool is_worse(const struct links_blame *x, const struct links_blame *than)
{
    if (x->slow != than->slow)
        return x->slow > than->slow;
    return x->factor > than->factor;
}

static bool is_mostly_slow(const struct tally *t)
{
    return (t->all - t->slow) * ALL_BUT <= t->all;
}

/* Of one node with this aspect: on all rails that were measured, with two partners. */
static bool weigh_node(const struct blaming *b, uint32_t x, int k,
                       struct links_blame *ret)
{
    const struct tally(*own)[LINKS_ASPECTS] =
        (const struct tally(*)[LINKS_ASPECTS]) & b->tally[end_of(b, x, 0)];
    uint32_t first = 0;
    bool two = false;
    *ret = (struct links_blame){
        .whose = LINKS_OF_NODE, .a = x, .b = x, .aspect = (enum links_aspect)k};
    for (uint32_t r = 0; r < b->l->n_rails; r++) {
        const struct tally *t = &own[r][k];
        if (t->all == 0)
            continue;
        if (t->slow == 0 || !is_mostly_slow(t))
            return false;
        two = two || t->slow > 1 || (first && t->like != first);
        first = t->like;
        ret->rails++;
        ret->slow = t->slow > ret->slow ? t->slow : ret->slow;
        ret->all += t->slow;
        if (t->factor >= ret->factor) {
            ret->factor = t->factor;
            ret->pair = t->pair;
            ret->rail = r;
        }
    }
    ret->slow = ret->slow > 1 ? ret->slow : 2;
    return two && ret->rails > 1;
}

static bool find_node(const struct blaming *b, struct links_blame *ret)
{
    struct links_blame one;
    bool found = false;
    for (uint32_t x = 0; x < b->a->n; x++)
        for (int k = 0; k < LINKS_ASPECTS; k++) {
            if (!weigh_node(b, x, k, &one) ||
                (found && (one.all < ret->all ||
                           (one.all == ret->all && one.factor <= ret->factor))))
                continue;
            *ret = one;
            found = true;
        }
    return found;
}

static bool find_end(const struct blaming *b, struct links_blame *ret)
{
    *ret = (struct links_blame){.slow = 0};
    for (size_t i = 0; i < b->a->n * b->l->n_rails; i++)
        for (int k = 0; k < LINKS_ASPECTS; k++) {
            const struct tally *t = &b->tally[i][k];
            uint32_t x = (uint32_t)(i / b->l->n_rails);
            struct links_blame one = {.whose = LINKS_OF_NODE,
                                      .a = x,
                                      .b = x,
                                      .rail = (uint32_t)(i % b->l->n_rails),
                                      .rails = 1,
                                      .aspect = (enum links_aspect)k,
                                      .factor = t->factor,
                                      .pair = t->pair,
                                      .slow = t->slow,
                                      .all = t->all};
            if (t->slow >= 2 && is_mostly_slow(t) && is_worse(&one, ret))
                *ret = one;
        }
    return ret->slow > 0;
}

/* Each turn explains at least two measurements, and looks at all once more: nodes with slow
 * links are few, and where they are not the links of most are the usual ones. */
static int blame_nodes(struct blaming *b)
{
    struct links_blame found;
    int rc = 0;
    count_all(b);
    while (rc == 0 && b->l->n_rails > 1 && find_node(b, &found)) {
        rc = add_blame(b, &found);
        memset(&b->blamed[end_of(b, found.a, 0)], 1, b->l->n_rails);
        count_all(b);
    }
    while (rc == 0 && find_end(b, &found)) {
        rc = add_blame(b, &found);
        b->blamed[end_of(b, found.a, found.rail)] = true;
        count_all(b);
    }
    return rc;
}

static bool is_same(const struct audit_pair *p, const struct audit_pair *q)
{
    return (p->a == q->a && p->b == q->b) || (p->a == q->b && p->b == q->a);
}

static uint32_t last_round(const struct audit *a)
{
    uint32_t last = 0;
    for (size_t i = 0; i < a->n_pairs; i++)
        if (a->pairs[i].round > last)
            last = a->pairs[i].round;
    return last;
}

static bool is_at(const struct blaming *b, size_t i, uint32_t x, uint32_t rail)
{
    const struct audit_pair *p = &b->a->pairs[i];
    return (p->a == x || p->b == x) && links_rail(b->l, p) == rail;
}

static bool was_good(const struct blaming *b, uint32_t x, uint32_t rail)
{
    for (size_t i = 0; i < b->a->n_pairs; i++) {
        if (is_at(b, i, x, rail) && !b->l->pairs[i].slow)
            return true;
    }
    return false;
}

static uint32_t count_partners(const struct blaming *b, uint32_t x, uint32_t rail)
{
    uint32_t n = 0, first = x;
    for (size_t i = 0; i < b->a->n_pairs; i++) {
        const struct audit_pair *p = &b->a->pairs[i];
        uint32_t other = p->a == x ? p->b : p->a;
        if (!is_at(b, i, x, rail) || other == first || is_lost(b->a, p))
            continue;
        first = n == 0 ? other : first;
        n++;
    }
    return n;
}

/* Partners that are to blame themselves are no witnesses against a node, and a node that met
 * two of them is left with one measurement. If it was never good with anybody, and the other
 * end was, then it is no matter of the two. */
static void blame_end(struct blaming *b, size_t i, struct links_blame *one)
{
    bool good = was_good(b, one->a, one->rail);
    uint32_t x = good ? one->b : one->a;
    if (good == was_good(b, one->b, one->rail) || count_partners(b, x, one->rail) < 2)
        return;
    one->whose = LINKS_OF_NODE;
    one->aspect = links_worst(links_seen_by(&b->a->pairs[i], b->l->pairs[i].slow, x));
    one->a = one->b = x;
    one->slow = count_partners(b, x, one->rail);
    b->blamed[end_of(b, x, one->rail)] = true;
}

static int blame_pair(struct blaming *b, size_t i, uint32_t last)
{
    const struct audit *a = b->a;
    uint32_t rail = links_rail(b->l, &a->pairs[i]);
    struct links_blame one = {.whose = LINKS_OF_PAIR,
                              .a = a->pairs[i].a,
                              .b = a->pairs[i].b,
                              .rail = rail,
                              .rails = 1,
                              .aspect = links_worst(b->left[i]),
                              .factor = b->l->pairs[i].factor,
                              .pair = (uint32_t)i};
    for (size_t k = 0; k < a->n_pairs; k++) {
        if (!is_same(&a->pairs[i], &a->pairs[k]) ||
            links_rail(b->l, &a->pairs[k]) != rail)
            continue;
        one.all++;
        one.slow += b->left[k] != 0;
        if (k > i)
            b->left[k] = 0; /* told here */
    }
    /* A round more would have repeated it. */
    bool once = one.all == 1 && last + 1 >= ROUNDS_FIRST + ROUNDS_REGROUP;
    if (one.slow < one.all)
        return 0;
    blame_end(b, i, &one);
    return one.whose == LINKS_OF_PAIR && once ? 0 : add_blame(b, &one);
}

/* Rails that were measured of x with y; of x alone where y is the same. */
static uint32_t count_rails(const struct blaming *b, uint32_t x, uint32_t y)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < b->a->n_pairs; i++) {
        const struct audit_pair *p = &b->a->pairs[i];
        if ((p->a == x && p->b == y) || (p->a == y && p->b == x) ||
            (x == y && (p->a == x || p->b == x)))
            bits |= 1u << links_rail(b->l, p);
    }
    return (uint32_t)__builtin_popcount(bits);
}

static bool is_like(const struct links_blame *x, const struct links_blame *y)
{
    return x->whose == y->whose &&
           ((x->a == y->a && x->b == y->b) || (x->a == y->b && x->b == y->a));
}

/* Of a pair that is slow on several rails one blame, with the worst of them; of a node where
 * it is all of its rails. */
static void merge(struct blaming *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++) {
        struct links_blame one = b->ret[i];
        size_t at = 0;
        uint32_t rails = 0;
        one.all_rails = count_rails(b, one.a, one.b);
        for (size_t k = 0; k < b->n; k++)
            rails += k >= i && is_like(&one, &b->ret[k]) ? b->ret[k].rails : 0;
        while (at < n && (b->ret[at].rails < 2 || !is_like(&b->ret[at], &one)))
            at++;
        if (at < n) { /* it has been counted there */
            rails = b->ret[at].rails;
            if (one.factor > b->ret[at].factor)
                b->ret[at] = one;
            b->ret[at].rails = rails;
            continue;
        }
        if (one.whose == LINKS_OF_PAIR ||
            (one.whose == LINKS_OF_NODE && rails >= one.all_rails))
            one.rails = rails;
        b->ret[n++] = one;
    }
    b->n = n;
}

static int blame_pairs(struct blaming *b)
{
    uint32_t last = last_round(b->a);
    int rc = 0;
    for (size_t i = 0; i < b->a->n_pairs && rc == 0; i++) {
        const struct audit_pair *p = &b->a->pairs[i];
        if (b->left[i] && !is_explained(b, p) && !is_lost(b->a, p))
            rc = blame_pair(b, i, last);
    }
    merge(b);
    return rc;
}

static int blame_rails(struct blaming *b)
{
    int rc = 0;
    for (uint32_t r = 0; r < b->l->n_rails && rc == 0; r++) {
        if (!(b->l->wide >> r & 1))
            continue;
        const struct audit_pair *p = &b->a->pairs[b->l->shows[r]];
        struct links_blame one = {.whose = LINKS_OF_RAIL,
                                  .a = p->a,
                                  .b = p->a,
                                  .rail = r,
                                  .rails = 1,
                                  .aspect = links_worst(b->l->was[r].slow),
                                  .factor = b->l->was[r].factor,
                                  .pair = b->l->shows[r]};
        rc = add_blame(b, &one);
    }
    return rc;
}

static int by_badness(const void *x, const void *y)
{
    const struct links_blame *p = x, *q = y;
    if (p->whose != q->whose)
        return p->whose > q->whose ? 1 : -1;
    if (p->factor != q->factor)
        return p->factor > q->factor ? -1 : 1;
    if (p->a != q->a || p->b != q->b)
        return p->a > q->a || (p->a == q->a && p->b > q->b) ? 1 : -1;
    return (p->rail > q->rail) - (p->rail < q->rail);
}

int links_blame(const struct audit *a, const struct links *l, const bool *noisy,
                struct links_blame **ret, size_t *ret_n)
{
    struct blaming b = {.a = a, .l = l};
    int rc = -ENOMEM;
    size_t ends = a->n * l->n_rails, room = ends ? ends : 1;
    b.left = calloc(a->n_pairs ? a->n_pairs : 1, sizeof *b.left);
    b.blamed = calloc(room, sizeof *b.blamed);
    b.tally = calloc(room, sizeof *b.tally);
    if (!b.left || !b.blamed || !b.tally)
        goto fail;
    for (size_t i = 0; i < a->n_pairs; i++) {
        const struct audit_pair *p = &a->pairs[i];
        if (!(noisy[p->a] || noisy[p->b]) || l->pairs[i].factor > NOISE_EXPLAINS)
            b.left[i] = l->pairs[i].slow;
    }
    rc = blame_rails(&b);
    if (rc == 0)
        rc = blame_nodes(&b);
    if (rc == 0)
        rc = blame_pairs(&b);
    if (rc < 0)
        goto fail;
    if (b.n > 1)
        qsort(b.ret, b.n, sizeof *b.ret, by_badness);
    *ret = b.ret;
    *ret_n = b.n;
    b.ret = NULL;
fail:
    free(b.ret);
    free(b.tally);
    free(b.blamed);
    free(b.left);
    return rc;
}
