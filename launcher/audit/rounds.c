/* SPDX-License-Identifier: MIT */
/* rounds.c - see rounds.h. The shuffled nodes stand in a ring: the first round pairs each
 * even place with the next, the second each odd one, so every node has two partners. */
#include "launcher/audit/rounds.h"

#include <stdbool.h>
#include <stdlib.h>

#include "launcher/audit/links.h"
#include "launcher/tax/random.h"

#define TINY 3u /* nodes that make so few pairs that the first rounds try all of them */

struct regroup {
    const struct audit *a;
    const struct links *l;
    uint32_t *fast; /* nodes of which no measurement was slow, shuffled */
    size_t n_fast, next;
    bool *taken; /* in this round */
    struct rounds_pair *ret;
    size_t n;
};

static uint32_t *shuffle(const bool *usable, size_t n, struct random *r, size_t *ret_n)
{
    uint32_t *list = calloc(n ? n : 1, sizeof *list);
    size_t k = 0;
    for (uint32_t i = 0; list && i < n; i++)
        if (usable[i])
            list[k++] = i;
    for (size_t i = k; list && i > 1; i--) {
        uint32_t j = random_below(r, (uint32_t)i), was = list[i - 1];
        list[i - 1] = list[j];
        list[j] = was;
    }
    *ret_n = k;
    return list;
}

static size_t pair_ring(const uint32_t *list, size_t n, uint32_t round,
                        struct rounds_pair *ret)
{
    size_t k = 0;
    for (size_t i = round % 2; i + 1 < n; i += 2)
        ret[k++] = (struct rounds_pair){list[i], list[i + 1]};
    if (round == 1 && n % 2 == 0 && n > 2)
        ret[k++] = (struct rounds_pair){list[n - 1], list[0]};
    return k;
}

static bool was_slow_in(const struct regroup *g, uint32_t x, uint32_t round)
{
    for (size_t i = 0; i < g->a->n_pairs; i++) {
        const struct audit_pair *p = &g->a->pairs[i];
        if (p->round == round && (p->a == x || p->b == x) && g->l->pairs[i].slow)
            return true;
    }
    return false;
}

static bool have_met(const struct regroup *g, uint32_t x, uint32_t y)
{
    for (size_t i = 0; i < g->a->n_pairs; i++) {
        const struct audit_pair *p = &g->a->pairs[i];
        if ((p->a == x && p->b == y) || (p->a == y && p->b == x))
            return true;
    }
    return false;
}

static void add_pair(struct regroup *g, uint32_t x, uint32_t y)
{
    g->ret[g->n++] = (struct rounds_pair){x, y};
    g->taken[x] = g->taken[y] = true;
}

/* One that was never slow, and that x has not met. */
static void meet_fast(struct regroup *g, uint32_t x)
{
    for (size_t i = 0; i < g->n_fast; i++) {
        uint32_t y = g->fast[(g->next + i) % g->n_fast];
        if (g->taken[y] || y == x || have_met(g, x, y))
            continue;
        add_pair(g, x, y);
        g->next += i + 1;
        return;
    }
}

/* Who was slow in the first rounds and is not any more, with another partner: if that one
 * is acquitted as well, only the two together are slow, and that is tried once more. */
static void repeat_acquitted(struct regroup *g, const bool *usable, uint32_t round)
{
    for (size_t i = 0; i < g->a->n_pairs; i++) {
        const struct audit_pair *p = &g->a->pairs[i];
        if (!g->l->pairs[i].slow || p->round + 1 >= round || !usable[p->a] ||
            !usable[p->b] || g->taken[p->a] || g->taken[p->b])
            continue;
        if (!was_slow_in(g, p->a, round - 1) && !was_slow_in(g, p->b, round - 1))
            add_pair(g, p->a, p->b);
    }
}

static int regroup(struct regroup *g, const bool *usable, const uint32_t *list,
                   size_t n_list, uint32_t round)
{
    bool *suspect = calloc(g->a->n ? g->a->n : 1, sizeof *suspect);
    if (!suspect)
        return -1;
    for (size_t i = 0; i < g->a->n_pairs; i++)
        if (g->l->pairs[i].slow)
            suspect[g->a->pairs[i].a] = suspect[g->a->pairs[i].b] = true;
    for (size_t i = 0; i < n_list; i++)
        if (!suspect[list[i]])
            g->fast[g->n_fast++] = list[i];
    if (round > ROUNDS_FIRST)
        repeat_acquitted(g, usable, round);
    for (size_t i = 0; i < n_list; i++) {
        uint32_t x = list[i];
        if (suspect[x] && !g->taken[x] &&
            (round == ROUNDS_FIRST || was_slow_in(g, x, round - 1)))
            meet_fast(g, x);
    }
    free(suspect);
    return 0;
}

/* No memory: as if there were nothing to find out. */
static size_t pair_again(const struct audit *a, const bool *usable,
                         const uint32_t *list, size_t n_list, uint32_t round,
                         struct rounds_pair *ret)
{
    struct links l;
    struct regroup g = {.a = a, .l = &l, .ret = ret};
    size_t n = 0;
    if (links_make(a, &l) < 0)
        return 0;
    g.fast = calloc(n_list ? n_list : 1, sizeof *g.fast);
    g.taken = calloc(a->n ? a->n : 1, sizeof *g.taken);
    if (g.fast && g.taken && regroup(&g, usable, list, n_list, round) == 0)
        n = g.n;
    free(g.fast);
    free(g.taken);
    links_fini(&l);
    return n;
}

/* Of two nodes there is one pair, and what to compare it with is its two directions. */
static size_t pair_only(const struct audit *a, const uint32_t *list, uint32_t round,
                        struct rounds_pair *ret)
{
    struct links l;
    bool again = round == 0;
    if (round == 1 && links_make(a, &l) == 0) {
        for (size_t i = 0; i < l.n; i++)
            again = again || l.pairs[i].slow;
        links_fini(&l);
    }
    if (!again)
        return 0;
    *ret = (struct rounds_pair){list[0], list[1]};
    return 1;
}

/* Of three nodes all pairs have been tried; a single slow one is tried once more. */
static size_t pair_single(const struct audit *a, const bool *usable,
                          struct rounds_pair *ret)
{
    struct links l;
    size_t slow = 0;
    if (links_make(a, &l) < 0)
        return 0;
    for (size_t i = 0; i < l.n; i++)
        if (l.pairs[i].slow) {
            *ret = (struct rounds_pair){a->pairs[i].a, a->pairs[i].b};
            slow++;
        }
    links_fini(&l);
    return slow == 1 && usable[ret->a] && usable[ret->b];
}

size_t rounds_next(const struct audit *a, const bool *usable, uint32_t round,
                   uint64_t seed, struct rounds_pair *ret)
{
    struct random r;
    size_t n, k = 0;
    if (round >= ROUNDS_FIRST + ROUNDS_REGROUP)
        return 0;
    random_init(&r, seed);
    uint32_t *list = shuffle(usable, a->n, &r, &n);
    if (!list)
        return 0;
    if (n == 2)
        k = pair_only(a, list, round, ret);
    else if (round < ROUNDS_FIRST)
        k = pair_ring(list, n, round, ret);
    else if (n == TINY && round == ROUNDS_FIRST)
        ret[k++] = (struct rounds_pair){list[0], list[2]};
    else if (n == TINY)
        k = pair_single(a, usable, ret);
    else
        k = pair_again(a, usable, list, n, round, ret);
    free(list);
    return k;
}
