/* SPDX-License-Identifier: MIT */
/* balance.c - see balance.h. Cost-reducing paths: as long as some taker's last thing would
 * serve another better, a chain of exchanges moves one there; a chain is found by breadth
 * first, so it is as short as can be. Harvey, Ladner, Lovasz, Tamir: Semi-Matchings for
 * Bipartite Graphs and Load Balancing (2006). */
#include "launcher/place/balance.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Steps of all searches together; a real machine takes some thousands. Past them the deal
 * is right, but may not be even. */
#define BUDGET (256u << 20)

int balance_init(struct balance *b, size_t n_kinds, size_t n_takers)
{
    *b = (struct balance){.n_kinds = n_kinds, .n_takers = n_takers};
    b->count = calloc(n_kinds + 1, sizeof *b->count);
    b->weight = calloc(n_takers + 1, sizeof *b->weight);
    b->may = calloc(n_kinds * n_takers + 1, sizeof *b->may);
    b->given = calloc(n_kinds * n_takers + 1, sizeof *b->given);
    b->has = calloc(n_takers + 1, sizeof *b->has);
    if (b->count && b->weight && b->may && b->given && b->has)
        return 0;
    balance_fini(b);
    return -ENOMEM;
}

void balance_fini(struct balance *b)
{
    free(b->count);
    free(b->weight);
    free(b->may);
    free(b->given);
    free(b->has);
    *b = (struct balance){0};
}

void balance_give(struct balance *b, size_t kind, size_t taker)
{
    b->given[kind * b->n_takers + taker]++;
    b->has[taker]++;
}

void balance_take(struct balance *b, size_t kind, size_t taker)
{
    b->given[kind * b->n_takers + taker]--;
    b->has[taker]--;
}

static size_t n_may(const struct balance *b, size_t kind)
{
    size_t n = 0;
    for (size_t t = 0; t < b->n_takers; t++)
        n += b->may[kind * b->n_takers + t];
    return n;
}

/* Whoever has least for his weight; n_takers: nobody may. */
static size_t poorest(const struct balance *b, size_t kind)
{
    size_t best = b->n_takers;
    for (size_t t = 0; t < b->n_takers; t++) {
        if (!b->may[kind * b->n_takers + t])
            continue;
        if (best == b->n_takers || (uint64_t)b->has[t] * b->weight[best] <
                                       (uint64_t)b->has[best] * b->weight[t])
            best = t;
    }
    return best;
}

static void deal_kind(struct balance *b, size_t kind)
{
    uint32_t left = b->count[kind];
    for (size_t t = 0; t < b->n_takers; t++)
        left -= b->given[kind * b->n_takers + t];
    for (; left > 0; left--) {
        size_t t = poorest(b, kind);
        if (t == b->n_takers)
            return;
        balance_give(b, kind, t);
    }
}

void balance_deal(struct balance *b)
{
    for (size_t i = 0; i < b->n_kinds; i++) {
        if (n_may(b, i) == 1)
            deal_kind(b, i);
    }
    for (size_t i = 0; i < b->n_kinds; i++)
        deal_kind(b, i);
}

/* ---- exchanges ---- */

struct search {
    size_t *queue, n_queue;       /* takers */
    size_t *from_taker, *by_kind; /* how a taker was reached */
    bool *seen_taker, *seen_kind;
    uint64_t steps;
};

static void search_fini(struct search *s)
{
    free(s->queue);
    free(s->from_taker);
    free(s->by_kind);
    free(s->seen_taker);
    free(s->seen_kind);
}

static int search_init(struct search *s, const struct balance *b)
{
    *s = (struct search){0};
    s->queue = calloc(b->n_takers + 1, sizeof *s->queue);
    s->from_taker = calloc(b->n_takers + 1, sizeof *s->from_taker);
    s->by_kind = calloc(b->n_takers + 1, sizeof *s->by_kind);
    s->seen_taker = calloc(b->n_takers + 1, sizeof *s->seen_taker);
    s->seen_kind = calloc(b->n_kinds + 1, sizeof *s->seen_kind);
    if (s->queue && s->from_taker && s->by_kind && s->seen_taker && s->seen_kind)
        return 0;
    search_fini(s);
    return -ENOMEM;
}

/* What one thing more, or the last one, is worth: the fewer one has, the more. */
static uint32_t next_round(const struct balance *b, size_t t)
{
    return b->has[t] / b->weight[t];
}

static uint32_t last_round(const struct balance *b, size_t t)
{
    return b->has[t] ? (b->has[t] - 1) / b->weight[t] : 0;
}

/* Those who may have what taker t has of a kind, and were not yet reached. */
static void reach(const struct balance *b, struct search *s, size_t t, size_t kind)
{
    s->seen_kind[kind] = true;
    s->steps += b->n_takers;
    for (size_t u = 0; u < b->n_takers; u++) {
        if (s->seen_taker[u] || !b->may[kind * b->n_takers + u])
            continue;
        s->seen_taker[u] = true;
        s->from_taker[u] = t;
        s->by_kind[u] = kind;
        s->queue[s->n_queue++] = u;
    }
}

/* All that a thing of `from` could come to; the one that needs it most, else n_takers. */
static size_t find_needier(const struct balance *b, struct search *s, size_t from)
{
    size_t best = b->n_takers;
    memset(s->seen_taker, 0, b->n_takers * sizeof *s->seen_taker);
    memset(s->seen_kind, 0, b->n_kinds * sizeof *s->seen_kind);
    s->queue[0] = from;
    s->n_queue = 1;
    s->seen_taker[from] = true;
    for (size_t i = 0; i < s->n_queue; i++) {
        size_t t = s->queue[i];
        if (next_round(b, t) < last_round(b, from) &&
            (best == b->n_takers || next_round(b, t) < next_round(b, best)))
            best = t;
        s->steps += b->n_kinds;
        for (size_t k = 0; k < b->n_kinds; k++) {
            if (!s->seen_kind[k] && b->given[k * b->n_takers + t] > 0)
                reach(b, s, t, k);
        }
    }
    return best;
}

static void exchange(struct balance *b, const struct search *s, size_t from, size_t to)
{
    for (size_t t = to; t != from; t = s->from_taker[t]) {
        balance_take(b, s->by_kind[t], s->from_taker[t]);
        balance_give(b, s->by_kind[t], t);
    }
}

int balance_even(struct balance *b)
{
    struct search s;
    int rc = search_init(&s, b);
    if (rc < 0)
        return rc;
    for (bool changed = true; changed && s.steps < BUDGET;) {
        changed = false;
        for (size_t t = 0; t < b->n_takers && s.steps < BUDGET; t++) {
            size_t to = b->has[t] ? find_needier(b, &s, t) : b->n_takers;
            if (to == b->n_takers)
                continue;
            exchange(b, &s, t, to);
            changed = true;
        }
    }
    search_fini(&s);
    return 0;
}
