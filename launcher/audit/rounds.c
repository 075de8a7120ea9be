/* SPDX-License-Identifier: MIT */
/* rounds.c - see rounds.h. The shuffled nodes stand in a ring: the first round pairs each
 * even place with the next, the second each odd one, so every node has two partners. */
#include "launcher/audit/rounds.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/audit/links.h"
#include "launcher/tax/random.h"

#define LAST (ROUNDS_FIRST + ROUNDS_REGROUP - 1)
#define TINY 3u /* nodes that make so few pairs that the first rounds try all of them */

struct regroup {
    const struct audit *a;
    const struct links *l;
    const bool *usable;
    const uint32_t *list; /* usable nodes, shuffled */
    size_t n_list, next;
    uint32_t *suspect; /* of each node: rails on which a measurement of it was slow */
    uint32_t *met;     /* rails on which it was measured at all */
    bool *taken;       /* in this round */
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
        ret[k++] = (struct rounds_pair){.a = list[i], .b = list[i + 1]};
    if (round == 1 && n % 2 == 0 && n > 2)
        ret[k++] = (struct rounds_pair){.a = list[n - 1], .b = list[0]};
    return k;
}

static uint32_t rail_bit(const struct links *l, const struct audit_pair *p)
{
    return 1u << links_rail(l, p);
}

/* The rails on which x was slow in that round. */
static uint32_t slow_in(const struct regroup *g, uint32_t x, uint32_t round)
{
    uint32_t rails = 0;
    for (size_t i = 0; i < g->a->n_pairs; i++) {
        const struct audit_pair *p = &g->a->pairs[i];
        if (p->round == round && (p->a == x || p->b == x) && g->l->pairs[i].slow)
            rails |= rail_bit(g->l, p);
    }
    return rails;
}

static bool have_met(const struct regroup *g, uint32_t x, uint32_t y, uint32_t rails)
{
    for (size_t i = 0; i < g->a->n_pairs; i++) {
        const struct audit_pair *p = &g->a->pairs[i];
        if ((p->a == x && p->b == y) || (p->a == y && p->b == x))
            rails &= ~rail_bit(g->l, p);
    }
    return rails == 0;
}

static void add_pair(struct regroup *g, uint32_t x, uint32_t y)
{
    g->ret[g->n++] = (struct rounds_pair){.a = x, .b = y};
    g->taken[x] = g->taken[y] = true;
}

/* One that was never slow on the rails in question, and that x has not met on them. */
static void meet_fast(struct regroup *g, uint32_t x, uint32_t rails)
{
    for (size_t i = 0; i < g->n_list; i++) {
        uint32_t y = g->list[(g->next + i) % g->n_list];
        if (g->taken[y] || y == x || (g->suspect[y] & rails) ||
            have_met(g, x, y, rails))
            continue;
        add_pair(g, x, y);
        g->next += i + 1;
        return;
    }
}

static bool are_free(const struct regroup *g, const struct audit_pair *p)
{
    return g->usable[p->a] && g->usable[p->b] && !g->taken[p->a] && !g->taken[p->b];
}

/* Who was slow in the first rounds and is not any more, with another partner: if that one
 * is acquitted as well, only the two together are slow, and that is tried once more. So it
 * is where nobody is left to be that other partner. */
static void repeat_acquitted(struct regroup *g, uint32_t round)
{
    for (size_t i = 0; i < g->a->n_pairs; i++) {
        const struct audit_pair *p = &g->a->pairs[i];
        if (!g->l->pairs[i].slow || !are_free(g, p))
            continue;
        uint32_t rail = rail_bit(g->l, p);
        if (round == ROUNDS_FIRST ||
            (p->round + 1 < round && !(slow_in(g, p->a, round - 1) & rail) &&
             !(slow_in(g, p->b, round - 1) & rail)))
            add_pair(g, p->a, p->b);
    }
}

static uint32_t rails_of(const struct audit *a, uint32_t x)
{
    uint32_t rails = 0;
    for (uint32_t r = 0; r < a->nodes[x].n_rails; r++)
        rails |= (uint32_t)(a->nodes[x].rails[r] != NULL) << r;
    return rails;
}

/* Rails for which there was no time in the rounds before; by TCP there are none. */
static bool is_unmet(const struct regroup *g, uint32_t x, uint32_t y)
{
    uint32_t common = rails_of(g->a, x) & rails_of(g->a, y);
    return g->l->n_rails > 1 && (common & ~(g->met[x] & g->met[y]));
}

static void fill(struct regroup *g, uint32_t round)
{
    for (size_t i = round % 2; i + 1 < g->n_list; i += 2) {
        uint32_t x = g->list[i], y = g->list[i + 1];
        if (!g->taken[x] && !g->taken[y] && is_unmet(g, x, y))
            add_pair(g, x, y);
    }
}

static void regroup(struct regroup *g, uint32_t round)
{
    for (size_t i = 0; i < g->a->n_pairs; i++) {
        const struct audit_pair *p = &g->a->pairs[i];
        uint32_t slow = g->l->pairs[i].slow ? rail_bit(g->l, p) : 0;
        g->suspect[p->a] |= slow;
        g->suspect[p->b] |= slow;
        g->met[p->a] |= rail_bit(g->l, p);
        g->met[p->b] |= rail_bit(g->l, p);
    }
    if (round > ROUNDS_FIRST)
        repeat_acquitted(g, round);
    for (size_t i = 0; i < g->n_list; i++) {
        uint32_t x = g->list[i], rails = g->suspect[x];
        if (rails && round > ROUNDS_FIRST)
            rails = slow_in(g, x, round - 1);
        if (rails && !g->taken[x])
            meet_fast(g, x, rails);
    }
    if (round == ROUNDS_FIRST)
        repeat_acquitted(g, round);
    fill(g, round);
}

/* No memory: as if there were nothing to find out. */
static size_t pair_again(const struct audit *a, const bool *usable,
                         const uint32_t *list, size_t n_list, uint32_t round,
                         struct rounds_pair *ret)
{
    struct links l;
    struct regroup g = {
        .a = a, .l = &l, .usable = usable, .list = list, .n_list = n_list, .ret = ret};
    if (links_make(a, &l) < 0)
        return 0;
    g.suspect = calloc(a->n + 1, sizeof *g.suspect);
    g.met = calloc(a->n + 1, sizeof *g.met);
    g.taken = calloc(a->n + 1, sizeof *g.taken);
    if (g.suspect && g.met && g.taken)
        regroup(&g, round);
    free(g.suspect);
    free(g.met);
    free(g.taken);
    links_fini(&l);
    return g.n;
}

/* ---- few nodes */

struct known { /* of one rail */
    uint32_t slow, all;
};

static void count_known(const struct audit *a, const struct links *l,
                        struct known ret[AUDIT_RAILS])
{
    memset(ret, 0, AUDIT_RAILS * sizeof *ret);
    for (size_t i = 0; i < l->n; i++) {
        struct known *k = &ret[links_rail(l, &a->pairs[i])];
        k->all++;
        k->slow += l->pairs[i].slow != 0;
    }
}

/* Of two nodes there is one pair, and what to compare it with is its two directions, and
 * their other rails: what is slow is tried once more. */
static size_t pair_only(const struct audit *a, const uint32_t *list, uint32_t round,
                        struct rounds_pair *ret)
{
    struct links l;
    struct known known[AUDIT_RAILS];
    bool again = round == 0;
    if (round > 0 && links_make(a, &l) == 0) {
        uint32_t common = rails_of(a, list[0]) & rails_of(a, list[1]);
        count_known(a, &l, known);
        for (uint32_t r = 0; r < l.n_rails; r++)
            again = again || (known[r].slow == 1 && known[r].all == 1);
        for (uint32_t r = 0; l.n_rails > 1 && r < AUDIT_RAILS; r++)
            again = again || (common >> r & 1 && known[r].all == 0);
        links_fini(&l);
    }
    if (!again)
        return 0;
    *ret = (struct rounds_pair){.a = list[0], .b = list[1]};
    return 1;
}

/* Of three nodes all pairs have been tried; one that alone was slow is tried once more: the
 * one with the most such rails. */
static size_t pair_single(const struct audit *a, const bool *usable,
                          struct rounds_pair *ret)
{
    struct links l;
    struct known known[AUDIT_RAILS];
    uint32_t most = 0;
    if (links_make(a, &l) < 0)
        return 0;
    count_known(a, &l, known);
    for (size_t i = 0; i < l.n; i++) {
        const struct audit_pair *p = &a->pairs[i];
        uint32_t n = 0;
        for (size_t k = 0; k < l.n; k++)
            n += l.pairs[k].slow && a->pairs[k].a == p->a && a->pairs[k].b == p->b &&
                 known[links_rail(&l, &a->pairs[k])].slow == 1;
        if (n <= most)
            continue;
        most = n;
        *ret = (struct rounds_pair){.a = p->a, .b = p->b};
    }
    links_fini(&l);
    return most > 0 && usable[ret->a] && usable[ret->b];
}

/* ---- rails */

/* In the first rounds as many as there is time for are met; then comes what was slow. */
static void order_pair(const struct audit *a, const struct known (*of)[AUDIT_RAILS],
                       uint32_t round, struct rounds_pair *p)
{
    uint32_t common = rails_of(a, p->a) & rails_of(a, p->b);
    struct known both[AUDIT_RAILS];
    p->n_rails = 0;
    for (uint32_t r = 0; r < AUDIT_RAILS; r++) {
        uint32_t at = p->n_rails;
        both[r].slow = round >= ROUNDS_FIRST && (of[p->a][r].slow || of[p->b][r].slow);
        both[r].all = of[p->a][r].all + of[p->b][r].all;
        if (!(common >> r & 1))
            continue;
        for (; at > 0; at--) {
            const struct known *k = &both[p->rails[at - 1]];
            if (k->slow > both[r].slow ||
                (k->slow == both[r].slow && k->all <= both[r].all))
                break;
            p->rails[at] = p->rails[at - 1];
        }
        p->rails[at] = (uint8_t)r;
        p->n_rails++;
    }
}

/* Slow at one end, and never measured there but then. */
static uint32_t single_slow(const struct known (*of)[AUDIT_RAILS],
                            const struct rounds_pair *p)
{
    uint32_t rails = 0;
    for (uint32_t r = 0; r < AUDIT_RAILS; r++) {
        const struct known *x = &of[p->a][r], *y = &of[p->b][r];
        rails |= (uint32_t)((x->slow && x->all == 1) || (y->slow && y->all == 1)) << r;
    }
    return rails;
}

/* These are measured twice, and what was slow between these two, when it is repeated: of
 * many rails one is slow for a moment in any round. */
static void repeat_slow(const struct audit *a, const struct links *l, uint32_t slow,
                        struct rounds_pair *p)
{
    uint8_t rails[2 * AUDIT_RAILS];
    uint32_t n = 0;
    for (size_t i = 0; i < l->n; i++) {
        const struct audit_pair *q = &a->pairs[i];
        if (l->pairs[i].slow &&
            ((q->a == p->a && q->b == p->b) || (q->a == p->b && q->b == p->a)))
            slow |= rail_bit(l, q);
    }
    for (uint32_t twice = 0; twice < 2; twice++)
        for (uint32_t i = 0; i < p->n_rails; i++)
            if (slow >> p->rails[i] & 1)
                rails[n++] = p->rails[i];
    for (uint32_t i = 0; i < p->n_rails; i++)
        if (!(slow >> p->rails[i] & 1))
            rails[n++] = p->rails[i];
    p->n_rails = n < AUDIT_RAILS ? n : AUDIT_RAILS;
    memcpy(p->rails, rails, p->n_rails);
}

/* No memory: none are told apart. */
static void order_rails(const struct audit *a, uint32_t round, struct rounds_pair *ret,
                        size_t n)
{
    struct links l = {.n = 0};
    struct known(*of)[AUDIT_RAILS] = calloc(a->n + 1, sizeof *of);
    if (of && links_make(a, &l) == 0) {
        for (size_t i = 0; i < l.n; i++) {
            const struct audit_pair *p = &a->pairs[i];
            for (int end = 0; end < 2; end++) {
                struct known *k = &of[end ? p->b : p->a][links_rail(&l, p)];
                k->all++;
                k->slow += l.pairs[i].slow != 0;
            }
        }
        for (size_t i = 0; i < n; i++) {
            const struct known(*so_far)[AUDIT_RAILS] =
                (const struct known(*)[AUDIT_RAILS])of;
            order_pair(a, so_far, round, &ret[i]);
            if (l.n_rails > 1 && round > 0)
                repeat_slow(a, &l, round == LAST ? single_slow(so_far, &ret[i]) : 0,
                            &ret[i]);
        }
        links_fini(&l);
    }
    free(of);
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
        ret[k++] = (struct rounds_pair){.a = list[0], .b = list[2]};
    else if (n == TINY)
        k = pair_single(a, usable, ret);
    else
        k = pair_again(a, usable, list, n, round, ret);
    free(list);
    order_rails(a, round, ret, k);
    return k;
}
