/* SPDX-License-Identifier: MIT */
/* anchor.c - a table of what is called, looked through again now and then (anchorpick),
 * and the steps of what was chosen (anchorstep).
 *
 * The table has sets of few places. A call is worth something to its place and each
 * stranger that finds the set full takes some of that away: what is called in each step
 * stays, however many communicators come and go.
 */
#include "agent/anchor.h"

#include <stdlib.h>

#include "agent/anchorpick.h"
#include "agent/anchorstep.h"

#define WAYS        8u
#define SETS        (ANCHOR_SIGNATURES / WAYS)
#define WORTH_FIRST 4u
#define WORTH_MOST  64u
#define LOOK_FIRST  16u /* calls, before all are judged again */
#define LOOK_MOST   8192u
#define LOOK_STEPS  8u   /* periods; twice as many each time that nothing is new, */
#define LOOK_RARELY 64u  /* up to so many */
#define ODD_LEAST   8.0  /* steps, before a collective can be odd */
#define ODD_SHARE   0.5  /* of the steps: who comes in fewer is */
#define LOST_STEADY 400u /* of 1000 */
#define LOST_FEW    16u  /* periods, before steadiness says something */
#define LOST_AFTER  3.0  /* longest periods */
#define FADE_EVERY  65536u

_Static_assert(SETS *WAYS == ANCHOR_SIGNATURES, "whole sets");

struct anchors {
    void (*on_step)(void *arg, const struct anchor_step *s);
    void *arg;
    uint64_t all, now_ns; /* calls; the last one's time */
    uint64_t look_all;    /* when to judge again */
    double look_ns;
    unsigned look_steps;
    struct anchorpick pick;
    struct anchorviews views; /* 0: the anchor's */
    struct anchorstep step;
    bool has_wish;
    struct anchor_class wish;
    size_t chosen; /* ANCHORVIEW_NOBODY: none */
    struct anchorsig sig[ANCHOR_SIGNATURES];
};

struct anchors *anchors_create(uint32_t world,
                               void (*step)(void *arg, const struct anchor_step *s),
                               void *arg)
{
    struct anchors *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->on_step = step;
    a->arg = arg;
    a->look_all = LOOK_FIRST;
    a->chosen = ANCHORVIEW_NOBODY;
    anchorviews_init(&a->views, a->sig, ANCHOR_SIGNATURES);
    a->views.world = world;
    anchorstep_init(&a->step);
    return a;
}

void anchors_destroy(struct anchors *a)
{
    free(a);
}

/* ---- the table */

static size_t set_of(uint64_t comm, uint32_t key)
{
    uint64_t z = comm ^ (uint64_t)key * 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 32) * 0xbf58476d1ce4e5b9u;
    return (size_t)(z >> 32) % SETS * WAYS;
}

static void forget(struct anchors *a, size_t who)
{
    a->sig[who].count = 0;
    for (unsigned i = 0; i < ANCHORSIG_VIEWS; i++)
        if (a->views.view[i].who == who)
            anchorviews_set(&a->views, i, ANCHORVIEW_NOBODY);
    for (size_t i = 0; i < a->pick.n; i++)
        if (a->pick.who[i] == who)
            a->pick.who[i] = ANCHORVIEW_NOBODY;
}

/* A place for a stranger; NOBODY: all have more right to theirs. */
static size_t make_place(struct anchors *a, size_t set)
{
    for (size_t i = set; i < set + WAYS; i++)
        if (a->sig[i].count == 0)
            return i;
    for (size_t i = set; i < set + WAYS; i++) {
        if (i == a->chosen)
            continue;
        if (a->sig[i].worth == 0) {
            forget(a, i);
            return i;
        }
        a->sig[i].worth--;
    }
    return ANCHORVIEW_NOBODY;
}

static size_t place_of(struct anchors *a, const struct collrec *r)
{
    uint32_t key = collsig_key(r->sig);
    size_t set = set_of(r->comm, key);
    for (size_t i = set; i < set + WAYS; i++)
        if (a->sig[i].comm == r->comm && a->sig[i].count > 0 &&
            collsig_key(a->sig[i].sig) == key)
            return i;
    return make_place(a, set);
}

/* ---- the anchor */

static void take(struct anchors *a, size_t who)
{
    if (who == a->chosen)
        return;
    a->chosen = who;
    anchorviews_set(&a->views, 0, who);
    anchorstep_init(&a->step);
}

static bool is_wish(const struct anchors *a, const struct anchor_class *c)
{
    return a->has_wish && a->wish.n_ranks == c->n_ranks &&
           collsig_key(a->wish.sig) == collsig_key(c->sig);
}

/* Said again, it changes nothing: of two communicators that are alike the other one may be
 * a call ahead just now. */
bool anchors_choose(struct anchors *a, const struct anchor_class *c)
{
    if (is_wish(a, c) && a->chosen != ANCHORVIEW_NOBODY &&
        !anchors_is_lost(a, a->now_ns))
        return true;
    a->wish = *c;
    a->has_wish = true;
    take(a, anchorpick_find(&a->views, c));
    return a->chosen != ANCHORVIEW_NOBODY;
}

bool anchors_chosen(const struct anchors *a, uint64_t *ret_comm)
{
    if (a->chosen == ANCHORVIEW_NOBODY)
        return false;
    *ret_comm = a->sig[a->chosen].comm;
    return true;
}

bool anchors_is_lost(const struct anchors *a, uint64_t now_ns)
{
    if (a->chosen == ANCHORVIEW_NOBODY)
        return false;
    const struct anchorsig *s = &a->sig[a->chosen];
    if (s->n >= LOST_FEW && s->median > 0 && s->steady < LOST_STEADY)
        return true;
    return s->longest > 0 && now_ns > s->last_ns &&
           (double)(now_ns - s->last_ns) > LOST_AFTER * s->longest;
}

/* A communicator may be made anew: the same collective lives on in another one. */
static void follow(struct anchors *a)
{
    if (!a->has_wish || !anchors_is_lost(a, a->now_ns))
        return;
    size_t who = anchorpick_find(&a->views, &a->wish);
    if (who != ANCHORVIEW_NOBODY && a->sig[who].is_candidate)
        take(a, who);
}

static bool is_odd(const struct anchors *a, size_t who)
{
    if (a->views.view[0].n < ODD_LEAST)
        return false;
    return who == ANCHORVIEW_NOBODY ||
           anchorviews_share(&a->views, 0, &a->sig[who]) < ODD_SHARE;
}

/* ---- records */

static void look(struct anchors *a)
{
    uint64_t after = a->all / 8;
    after = after < LOOK_FIRST ? LOOK_FIRST : after > LOOK_MOST ? LOOK_MOST : after;
    uint64_t changes = a->pick.changes;
    anchorpick_look(&a->pick, &a->views, a->now_ns);
    follow(a);
    a->look_all = a->all + after;
    a->look_ns = 0;
    if (a->pick.n == 0 || a->pick.who[0] == ANCHORVIEW_NOBODY)
        return;
    bool is_new = a->pick.changes > changes;
    a->look_steps = is_new                        ? LOOK_STEPS
                    : a->look_steps < LOOK_RARELY ? a->look_steps * 2
                                                  : LOOK_RARELY;
    a->look_ns = (double)a->now_ns + a->look_steps * a->sig[a->pick.who[0]].median;
}

static void fade(struct anchors *a)
{
    for (size_t i = 0; i < ANCHOR_SIGNATURES; i++)
        a->sig[i].bytes /= 2;
}

static void count_step(struct anchors *a, size_t who, enum anchorsig_news news,
                       const struct collrec *r)
{
    struct anchor_step step;
    if ((r->flags & COLLREC_GAP) || news == ANCHORSIG_LOST)
        anchorstep_lost(&a->step);
    if (who != a->chosen)
        anchorstep_call(&a->step, r, is_odd(a, who));
    else if (anchorstep_turn(&a->step, &a->sig[who], news, r, &step))
        a->on_step(a->arg, &step);
}

void anchors_add(struct anchors *a, const struct collrec *r)
{
    enum anchorsig_news news = ANCHORSIG_FIRST;
    if (r->kind != COLLREC_CALL || (r->flags & COLLREC_CAPTURED))
        return;
    size_t who = place_of(a, r);
    a->all++;
    a->now_ns = r->t_ns;
    if (who != ANCHORVIEW_NOBODY) {
        struct anchorsig *s = &a->sig[who];
        news = anchorsig_call(s, r, a->all);
        s->worth = (uint8_t)(s->worth + (s->worth < WORTH_MOST));
        if (news == ANCHORSIG_FIRST)
            s->worth = WORTH_FIRST;
        anchorviews_call(&a->views, who);
        if (a->has_wish && a->chosen == ANCHORVIEW_NOBODY &&
            anchorpick_is_class(s, &a->wish))
            take(a, who);
    }
    if (a->chosen != ANCHORVIEW_NOBODY)
        count_step(a, who, news, r);
    if (a->all % FADE_EVERY == 0)
        fade(a);
    if (a->all >= a->look_all || (a->look_ns > 0 && (double)a->now_ns >= a->look_ns))
        look(a);
}

size_t anchors_candidates(const struct anchors *a, struct anchor_candidate *ret,
                          uint64_t *ret_changes)
{
    size_t n = 0;
    for (size_t i = 0; i < a->pick.n; i++) {
        if (a->pick.who[i] == ANCHORVIEW_NOBODY)
            continue;
        const struct anchorsig *s = &a->sig[a->pick.who[i]];
        ret[n++] = (struct anchor_candidate){.class = a->pick.class[i],
                                             .comm = s->comm,
                                             .count = s->count,
                                             .period_ns = s->median,
                                             .steady = s->steady};
    }
    *ret_changes = a->pick.changes;
    return n;
}
