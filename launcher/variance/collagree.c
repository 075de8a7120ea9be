/* SPDX-License-Identifier: MIT */
/* collagree.c - see collagree.h. Votes are counted anew when something was told, at most
 * once for each decision asked for. */
#include "launcher/variance/collagree.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/limits.h"

/* That are counted. Of 8 proposals of each rank, classes that more than half of the ranks
 * propose have more than a sixteenth: with 16 places or more they survive (Misra and Gries),
 * whatever the others propose. */
#define CLASSES 64u
_Static_assert(CLASSES >= 2 * LIMIT_COLL_CANDIDATES,
               "none with a majority is forgotten");
#define DEEP_EVERY 32u
#define DEEP_OFTEN 8u
#define ALIKE      0.9 /* of the longest period */

struct proposal {
    uint32_t key, n_ranks;
    uint64_t period_ns;
};

struct told { /* by a rank */
    uint8_t n;
    bool lost;
    struct proposal at[LIMIT_COLL_CANDIDATES];
};

struct class
{
    uint32_t key, n_ranks;
    uint32_t votes;  /* while classes are looked for: less than were cast */
    uint64_t places; /* sum of its places in the ranks' lists */
    uint64_t period_ns;
};

struct collagree {
    uint32_t world_size, n_lost;
    bool news, was_lost;
    bool is_doubtful; /* next was proposed when now was lost */
    struct told *ranks;
    uint64_t *scratch; /* world_size */
    struct class class[CLASSES];
    unsigned n_classes;
    struct collchoice now, next; /* next: what may follow, since: */
    uint64_t since_ms, chosen_ms, news_ms;
};

int collagree_create(uint32_t world_size, struct collagree **ret)
{
    struct collagree *a = calloc(1, sizeof *a);
    if (!a)
        return -ENOMEM;
    a->world_size = world_size;
    a->ranks = calloc(world_size, sizeof *a->ranks);
    a->scratch = calloc(world_size, sizeof *a->scratch);
    if (!a->ranks || !a->scratch) {
        collagree_destroy(a);
        return -ENOMEM;
    }
    *ret = a;
    return 0;
}

void collagree_destroy(struct collagree *a)
{
    if (!a)
        return;
    free(a->ranks);
    free(a->scratch);
    free(a);
}

int collagree_told(struct collagree *a, const Aolani__CollAnchors *m, struct err *e)
{
    struct told t = {.n = (uint8_t)m->n_candidates, .lost = m->lost};
    if (m->n_candidates > LIMIT_COLL_CANDIDATES)
        return err_set(e, ERR_PROTO, "it proposes %zu collectives for rank %u",
                       m->n_candidates, m->rank);
    for (size_t i = 0; i < m->n_candidates; i++) {
        const Aolani__CollAnchors__Candidate *c = m->candidates[i];
        if (c->n_ranks == 0 || c->n_ranks > UINT16_MAX || c->key >> 24)
            return err_set(e, ERR_PROTO,
                           "it proposes collective %x of %u ranks for rank %u", c->key,
                           c->n_ranks, m->rank);
        t.at[i] = (struct proposal){c->key, c->n_ranks, c->period_ns};
    }
    if (m->rank >= a->world_size)
        return err_set(e, ERR_PROTO, "it speaks for rank %u", m->rank);
    a->n_lost += (unsigned)t.lost - (unsigned)a->ranks[m->rank].lost;
    a->ranks[m->rank] = t;
    a->news = true;
    return 0;
}

/* ---- votes */

static bool is_class(const struct class *c, uint32_t key, uint32_t n_ranks)
{
    return c->key == key && c->n_ranks == n_ranks;
}

static struct class *class_of(struct collagree *a, const struct proposal *p)
{
    for (unsigned i = 0; i < a->n_classes; i++)
        if (is_class(&a->class[i], p -> key, p -> n_ranks))
            return &a->class[i];
    return NULL;
}

/* No place is free: each class in one loses a vote, and the place with the last. */
static void thin_out(struct collagree *a)
{
    unsigned n = 0;
    for (unsigned i = 0; i < a->n_classes; i++)
        if (--a->class[i].votes > 0)
            a->class[n++] = a->class[i];
    a->n_classes = n;
}

static void look(struct collagree *a, const struct proposal *p)
{
    struct class *c = class_of(a, p);
    if (c)
        c->votes++;
    else if (a->n_classes == CLASSES)
        thin_out(a);
    else
        a->class[a->n_classes++] =
            (struct class){.key = p->key, .n_ranks = p->n_ranks, .votes = 1};
}

static bool has_voted(const struct told *t, unsigned place)
{
    for (unsigned k = 0; k < place; k++)
        if (t->at[k].key == t->at[place].key &&
            t->at[k].n_ranks == t->at[place].n_ranks)
            return true;
    return false;
}

static void vote(struct collagree *a, const struct told *t, unsigned place)
{
    struct class *c = class_of(a, &t->at[place]);
    if (!c || has_voted(t, place)) /* a rank has one voice */
        return;
    c->votes++;
    c->places += place;
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t median_period(struct collagree *a, const struct class *c)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < a->world_size; i++) {
        const struct told *t = &a->ranks[i];
        for (unsigned k = 0; k < t->n; k++) {
            if (!is_class(c, t->at[k].key, t->at[k].n_ranks))
                continue;
            a->scratch[n++] = t->at[k].period_ns;
            break;
        }
    }
    qsort(a->scratch, n, sizeof *a->scratch, compare_u64);
    return a->scratch[(n - 1) / 2];
}

static bool has_majority(const struct collagree *a, const struct class *c)
{
    return (uint64_t)c->votes * 2 > a->world_size;
}

static void count(struct collagree *a)
{
    a->n_classes = 0;
    for (uint32_t i = 0; i < a->world_size; i++)
        for (unsigned k = 0; k < a->ranks[i].n; k++)
            look(a, &a->ranks[i].at[k]);
    for (unsigned i = 0; i < a->n_classes; i++)
        a->class[i].votes = 0;
    for (uint32_t i = 0; i < a->world_size; i++)
        for (unsigned k = 0; k < a->ranks[i].n; k++)
            vote(a, &a->ranks[i], k);
    for (unsigned i = 0; i < a->n_classes; i++)
        if (has_majority(a, &a->class[i]))
            a->class[i].period_ns = median_period(a, &a->class[i]);
}

static bool is_before(const struct class *c, const struct class *other)
{
    /* places per vote, without a division */
    uint64_t mine = c->places * other->votes, its = other->places * c->votes;
    if (mine != its)
        return mine < its;
    return c->key != other->key ? c->key < other->key : c->n_ranks < other->n_ranks;
}

static const struct class *best(const struct collagree *a)
{
    const struct class *top = NULL;
    double longest = 0;
    for (unsigned i = 0; i < a->n_classes; i++)
        if (has_majority(a, &a->class[i]) && (double)a->class[i].period_ns > longest)
            longest = (double)a->class[i].period_ns;
    for (unsigned i = 0; i < a->n_classes; i++) {
        const struct class *c = &a->class[i];
        if (has_majority(a, c) && (double)c->period_ns >= ALIKE * longest &&
            (!top || is_before(c, top)))
            top = c;
    }
    return top;
}

/* ---- the choice */

static bool is_lost(const struct collagree *a)
{
    return (uint64_t)a->n_lost * 2 > a->world_size;
}

static bool is_good_still(const struct collagree *a)
{
    if (is_lost(a))
        return false;
    for (unsigned i = 0; i < a->n_classes; i++)
        if (is_class(&a->class[i], a -> now.key, a->now.n_ranks))
            return has_majority(a, &a->class[i]);
    return false;
}

/* What would follow, if it stays so. */
static struct collchoice wanted(const struct collagree *a)
{
    const struct class *top = best(a);
    if (!top)
        return a->now; /* nothing better: records go on as long as they come */
    struct collchoice c = {top->key, top->n_ranks, top->period_ns};
    bool longer = (double)c.period_ns > COLLAGREE_LONGER * (double)a->now.period_ns;
    return a->now.n_ranks == 0 || longer || !is_good_still(a) ? c : a->now;
}

static bool is_same(const struct collchoice *a, const struct collchoice *b)
{
    return a->key == b->key && a->n_ranks == b->n_ranks;
}

static uint64_t hold_ms(const struct collagree *a)
{
    if (a->now.n_ranks == 0)
        return COLLAGREE_FIRST_MS;
    if (!is_lost(a) && !a->is_doubtful &&
        (double)a->next.period_ns >= ALIKE * (double)a->now.period_ns)
        return COLLAGREE_HOLD_MS;
    uint64_t ms = COLLAGREE_TRUST * (a->since_ms - a->chosen_ms);
    if (ms < COLLAGREE_HOLD_MS)
        return COLLAGREE_HOLD_MS;
    return ms < COLLAGREE_MOST_MS ? ms : COLLAGREE_MOST_MS;
}

bool collagree_decide(struct collagree *a, uint64_t now_ms, struct collchoice *ret)
{
    if (a->news) {
        count(a);
        struct collchoice next = wanted(a);
        if (!is_same(&next, &a->next))
            a->is_doubtful = is_lost(a);
        if (!is_same(&next, &a->next) || is_lost(a) != a->was_lost)
            a->since_ms = now_ms;
        a->was_lost = is_lost(a);
        a->next = next;
        a->news = false;
        a->news_ms = now_ms;
    }
    if (is_same(&a->next, &a->now) || now_ms - a->since_ms < hold_ms(a))
        return false;
    if (a->was_lost && now_ms - a->news_ms > COLLAGREE_LIFE_MS)
        return false;
    a->chosen_ms = now_ms;
    *ret = a->now = a->next;
    return true;
}

uint32_t collagree_deep_every(bool uneasy)
{
    return uneasy ? DEEP_OFTEN : DEEP_EVERY;
}
