/* SPDX-License-Identifier: MIT */
/* links_blame.c - whose fault slow measurements are; see links.h.
 *
 * Nodes first, the one with the most slow partners before others, and what it explains is
 * taken away: a good node that only met slow ones is left with nothing. What remains is
 * between two nodes; a single measurement of a moment does not say so, if there was a
 * chance to repeat it and it was not slow again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/audit/links.h"
#include "launcher/audit/rounds.h"

#define NOISE_EXPLAINS 4.0 /* times slower: CPUs that are busy do no more to a link */
#define ALL_BUT        4u  /* one measurement in as many may be good, of a slow link */

struct tally { /* of a node and an aspect */
    uint32_t slow, all;
    double factor; /* the largest */
    uint32_t pair;
};

struct blaming {
    const struct audit *a;
    const struct links *l;
    unsigned *left; /* of each pair: aspects not yet explained */
    bool *blamed;   /* of each node */
    struct tally (*tally)[LINKS_ASPECTS];
    uint32_t (*like)[LINKS_ASPECTS]; /* the partner counted last, + 1 */
    struct links_blame *ret;
    size_t n, cap;
};

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
        struct tally *t = &b->tally[x][k];
        t->all += 1;
        if (!(seen >> k & 1))
            continue;
        t->slow +=
            b->like[x][k] != other + 1; /* the same partner again is no witness */
        t->all -= b->like[x][k] == other + 1;
        b->like[x][k] = other + 1;
        if (b->l->pairs[i].factor >= t->factor) {
            t->factor = b->l->pairs[i].factor;
            t->pair = i;
        }
    }
}

static void count_all(struct blaming *b)
{
    memset(b->tally, 0, b->a->n * sizeof *b->tally);
    memset(b->like, 0, b->a->n * sizeof *b->like);
    for (size_t i = 0; i < b->a->n_pairs; i++) {
        const struct audit_pair *p = &b->a->pairs[i];
        if (is_lost(b->a, p) || b->blamed[p->a] || b->blamed[p->b])
            continue;
        count_end(b, (uint32_t)i, p->a, p->b);
        count_end(b, (uint32_t)i, p->b, p->a);
    }
}

static bool is_worse(const struct tally *t, const struct tally *than)
{
    if (t->slow != than->slow)
        return t->slow > than->slow;
    return t->factor > than->factor;
}

static bool find_node(const struct blaming *b, struct links_blame *ret)
{
    static const struct tally nothing = {0};
    const struct tally *worst = &nothing;
    for (size_t x = 0; x < b->a->n; x++)
        for (int k = 0; k < LINKS_ASPECTS; k++) {
            const struct tally *t = &b->tally[x][k];
            if (t->slow < 2 || (t->all - t->slow) * ALL_BUT > t->all ||
                !is_worse(t, worst))
                continue;
            worst = t;
            *ret = (struct links_blame){.a = (uint32_t)x,
                                        .b = (uint32_t)x,
                                        .aspect = (enum links_aspect)k,
                                        .factor = t->factor,
                                        .pair = t->pair,
                                        .slow = t->slow,
                                        .all = t->all};
        }
    return worst != &nothing;
}

/* Each turn explains at least two measurements, and looks at all once more: nodes with slow
 * links are few, and where they are not the links of most are the usual ones. */
static int blame_nodes(struct blaming *b)
{
    struct links_blame found;
    int rc = 0;
    count_all(b);
    while (rc == 0 && find_node(b, &found)) {
        rc = add_blame(b, &found);
        b->blamed[found.a] = true;
        count_all(b);
    }
    return rc;
}

static bool is_same(const struct audit_pair *p, const struct audit_pair *q)
{
    return (p->a == q->a && p->b == q->b) || (p->a == q->b && p->b == q->a);
}

static enum links_aspect worst_aspect(unsigned slow)
{
    for (int k = LINKS_ASPECTS - 1; k > LINKS_TRIPS; k--)
        if (slow >> k & 1)
            return (enum links_aspect)k;
    for (int k = 0; k < LINKS_TRIPS; k++)
        if (slow >> k & 1)
            return (enum links_aspect)k;
    return LINKS_TRIPS;
}

static uint32_t last_round(const struct audit *a)
{
    uint32_t last = 0;
    for (size_t i = 0; i < a->n_pairs; i++)
        if (a->pairs[i].round > last)
            last = a->pairs[i].round;
    return last;
}

static bool was_good(const struct blaming *b, uint32_t x)
{
    for (size_t i = 0; i < b->a->n_pairs; i++) {
        const struct audit_pair *p = &b->a->pairs[i];
        if ((p->a == x || p->b == x) && !b->l->pairs[i].slow)
            return true;
    }
    return false;
}

static uint32_t count_partners(const struct blaming *b, uint32_t x)
{
    uint32_t n = 0, first = x;
    for (size_t i = 0; i < b->a->n_pairs; i++) {
        const struct audit_pair *p = &b->a->pairs[i];
        uint32_t other = p->a == x ? p->b : p->a;
        if ((p->a != x && p->b != x) || other == first || is_lost(b->a, p))
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
    bool good = was_good(b, one->a);
    uint32_t x = good ? one->b : one->a;
    if (good == was_good(b, one->b) || count_partners(b, x) < 2)
        return;
    one->is_pair = false;
    one->aspect = worst_aspect(links_seen_by(&b->a->pairs[i], b->l->pairs[i].slow, x));
    one->a = one->b = x;
    one->slow = count_partners(b, x);
    b->blamed[x] = true;
}

static int blame_pair(struct blaming *b, size_t i, uint32_t last)
{
    const struct audit *a = b->a;
    struct links_blame one = {.is_pair = true,
                              .a = a->pairs[i].a,
                              .b = a->pairs[i].b,
                              .aspect = worst_aspect(b->left[i]),
                              .factor = b->l->pairs[i].factor,
                              .pair = (uint32_t)i};
    for (size_t k = i; k < a->n_pairs; k++) {
        if (!is_same(&a->pairs[i], &a->pairs[k]))
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
    return one.is_pair && once ? 0 : add_blame(b, &one);
}

static int blame_pairs(struct blaming *b)
{
    uint32_t last = last_round(b->a);
    int rc = 0;
    for (size_t i = 0; i < b->a->n_pairs && rc == 0; i++) {
        const struct audit_pair *p = &b->a->pairs[i];
        if (b->left[i] && !b->blamed[p->a] && !b->blamed[p->b] && !is_lost(b->a, p))
            rc = blame_pair(b, i, last);
    }
    return rc;
}

static int by_badness(const void *x, const void *y)
{
    const struct links_blame *p = x, *q = y;
    if (p->is_pair != q->is_pair)
        return p->is_pair ? 1 : -1;
    if (p->factor != q->factor)
        return p->factor > q->factor ? -1 : 1;
    return p->a != q->a ? (p->a > q->a ? 1 : -1) : (p->b > q->b) - (p->b < q->b);
}

int links_blame(const struct audit *a, const struct links *l, const bool *noisy,
                struct links_blame **ret, size_t *ret_n)
{
    struct blaming b = {.a = a, .l = l};
    int rc = -ENOMEM;
    size_t room = a->n ? a->n : 1;
    b.left = calloc(a->n_pairs ? a->n_pairs : 1, sizeof *b.left);
    b.blamed = calloc(room, sizeof *b.blamed);
    b.tally = calloc(room, sizeof *b.tally);
    b.like = calloc(room, sizeof *b.like);
    if (!b.left || !b.blamed || !b.tally || !b.like)
        goto fail;
    for (size_t i = 0; i < a->n_pairs; i++) {
        const struct audit_pair *p = &a->pairs[i];
        if (!(noisy[p->a] || noisy[p->b]) || l->pairs[i].factor > NOISE_EXPLAINS)
            b.left[i] = l->pairs[i].slow;
    }
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
    free(b.like);
    free(b.tally);
    free(b.blamed);
    free(b.left);
    return rc;
}
