/* SPDX-License-Identifier: MIT */
/* anchorpick.c - a list that flickers would have all ranks agree again and again. So an
 * empty one never replaces another (the program may only be evaluating), and any other must
 * be found twice. */
#include "agent/anchorpick.h"

#include <stdlib.h>
#include <string.h>

#include "agent/anchorlevel.h"

#define LEVELS        (ANCHORSIG_VIEWS - 1)
#define SAME_LEVEL    1.4 /* times the shortest period of the level */
#define SILENT        3.0 /* longest periods */
#define AGAINST_LEAST 8u
#define PURE          0.9 /* of the periods alike: not called in evaluations, too */

struct level {
    size_t from, to; /* of the candidates */
};

struct anchor_class anchorpick_class(const struct anchorsig *s)
{
    return (struct anchor_class){.sig = s->sig, .n_ranks = s->n_ranks};
}

static bool is_same(const struct anchor_class *a, const struct anchor_class *b)
{
    return a->n_ranks == b->n_ranks && collsig_key(a->sig) == collsig_key(b->sig);
}

bool anchorpick_is_class(const struct anchorsig *s, const struct anchor_class *c)
{
    struct anchor_class own = anchorpick_class(s);
    return s->count > 0 && is_same(&own, c);
}

/* ---- what is best: the same order on all ranks */

static unsigned kind_of(const struct anchorsig *s)
{
    switch ((enum coll_func)s->sig.func) {
    case COLL_ALLREDUCE:
        return anchorsig_is_small(s) ? 0 : 1;
    case COLL_REDUCESCATTER:
    case COLL_REDUCE:
        return 1;
    case COLL_ALLGATHER:
    case COLL_BROADCAST:
        return 2;
    case COLL_SEND: /* between two ranks only */
    case COLL_RECV:
        return 4;
    case COLL_ALLTOALL:
    case COLL_OTHER:
    case COLL_N:
        break;
    }
    return 3;
}

static bool is_pure(const struct anchorsig *s)
{
    return s->tally.alike >= PURE * s->tally.n;
}

static int by_worth(const void *a, const void *b)
{
    const struct anchorsig *x = *(const struct anchorsig *const *)a,
                           *y = *(const struct anchorsig *const *)b;
    if (is_pure(x) != is_pure(y))
        return is_pure(x) ? -1 : 1;
    if (kind_of(x) != kind_of(y))
        return kind_of(x) < kind_of(y) ? -1 : 1;
    if (x->n_ranks != y->n_ranks)
        return x->n_ranks > y->n_ranks ? -1 : 1;
    uint32_t i = collsig_key(x->sig), k = collsig_key(y->sig);
    if (i != k)
        return i < k ? -1 : 1;
    return (x->comm > y->comm) - (x->comm < y->comm);
}

static int by_period(const void *a, const void *b)
{
    const struct anchorsig *x = *(const struct anchorsig *const *)a,
                           *y = *(const struct anchorsig *const *)b;
    if (x->median != y->median)
        return x->median < y->median ? -1 : 1;
    return (x > y) - (x < y);
}

/* ---- levels */

static size_t judge_all(struct anchorviews *v, struct anchorsig **ret, uint64_t now_ns)
{
    size_t n = 0;
    for (size_t i = 0; i < v->n_sigs; i++) {
        if (v->sigs[i].count == 0)
            continue;
        anchorsig_judge(&v->sigs[i], now_ns);
        if (v->sigs[i].is_candidate)
            ret[n++] = &v->sigs[i];
    }
    return n;
}

static size_t split(struct anchorsig **c, size_t n, struct level *ret)
{
    size_t levels = 0;
    qsort(c, n, sizeof *c, by_period);
    for (size_t i = 0; i < n; i++) {
        if (levels > 0 &&
            c[i]->median <= SAME_LEVEL * c[ret[levels - 1].from]->median) {
            ret[levels - 1].to = i + 1;
            continue;
        }
        if (levels == LEVELS)
            break;
        ret[levels++] = (struct level){i, i + 1};
    }
    for (size_t i = 0; i < levels; i++)
        qsort(c + ret[i].from, ret[i].to - ret[i].from, sizeof *c, by_worth);
    return levels;
}

/* Who is looked at already stays the level's; 0: nobody is. */
static unsigned view_of(const struct anchorviews *v, struct anchorsig **c,
                        const struct level *l)
{
    for (size_t i = l->from; i < l->to; i++)
        for (unsigned at = 1; at < ANCHORSIG_VIEWS; at++)
            if (v->view[at].who == (size_t)(c[i] - v->sigs))
                return at;
    return 0;
}

static void assign_views(struct anchorviews *v, struct anchorsig **c,
                         const struct level *l, size_t n, struct anchorlevel *ret)
{
    bool taken[ANCHORSIG_VIEWS] = {true};
    for (size_t i = 0; i < n; i++) {
        ret[i].view = view_of(v, c, &l[i]);
        taken[ret[i].view] = true;
    }
    for (size_t i = 0; i < n; i++) {
        unsigned at = ret[i].view;
        while (at < ANCHORSIG_VIEWS && ret[i].view == 0 && taken[at])
            at++;
        if (ret[i].view == 0)
            anchorviews_set(v, at, (size_t)(c[l[i].from] - v->sigs));
        taken[at] = true;
        ret[i].view = at;
        ret[i].rep = &v->sigs[v->view[at].who];
    }
}

/* The level of what is offered now; n: none. */
static size_t offered_level(const struct anchorpick *p, const struct anchorviews *v,
                            struct anchorsig **c, const struct level *l, size_t n)
{
    for (size_t k = 0; k < n && p->n > 0; k++)
        for (size_t i = l[k].from; i < l[k].to; i++)
            if ((size_t)(c[i] - v->sigs) == p->who[0])
                return k;
    return n;
}

/* ---- the list */

static bool is_in(const struct anchor_class *list, size_t n,
                  const struct anchor_class *c)
{
    for (size_t i = 0; i < n; i++)
        if (is_same(&list[i], c))
            return true;
    return false;
}

static bool is_same_list(const struct anchor_class *a, size_t n,
                         const struct anchor_class *b, size_t m)
{
    bool same = n == m;
    for (size_t i = 0; same && i < n; i++)
        same = is_same(&a[i], &b[i]);
    return same;
}

static void offer(struct anchorpick *p, const struct anchorviews *v,
                  struct anchorsig **c, size_t n)
{
    struct anchor_class list[ANCHOR_CANDIDATES];
    size_t who[ANCHOR_CANDIDATES], m = 0;
    for (size_t i = 0; i < n && m < ANCHOR_CANDIDATES; i++) {
        list[m] = anchorpick_class(c[i]);
        who[m] = (size_t)(c[i] - v->sigs);
        m += !is_in(list, m, &list[m]);
    }
    bool same = is_same_list(list, m, p->class, p->n);
    if (!same && (p->n == 0 || is_same_list(list, m, p->next, p->n_next))) {
        p->changes++;
        same = true;
    }
    memcpy(p->next, list, m * sizeof *list);
    p->n_next = m;
    if (!same)
        return;
    memcpy(p->class, list, m * sizeof *list);
    memcpy(p->who, who, m * sizeof *who);
    p->n = m;
}

/* What is offered stays so as long as it is there, or may be so again, unless a longer
 * period has taken over; a shorter one does only after many periods. */
static bool is_held(struct anchorpick *p, const struct anchorviews *v, size_t at,
                    size_t old, size_t n, uint64_t now_ns)
{
    if (p->n == 0 || (old < n && at > old) || p->who[0] == ANCHORVIEW_NOBODY)
        return false;
    const struct anchorsig *s = &v->sigs[p->who[0]];
    bool is_silent =
        now_ns > s->last_ns && (double)(now_ns - s->last_ns) > SILENT * s->longest;
    if (now_ns < p->against_ns || (double)(now_ns - p->against_ns) >= s->median) {
        p->against++;
        p->against_ns = now_ns;
    }
    return !is_silent && p->against < AGAINST_LEAST;
}

void anchorpick_look(struct anchorpick *p, struct anchorviews *v, uint64_t now_ns)
{
    struct anchorsig *c[ANCHOR_SIGNATURES];
    struct level l[LEVELS];
    struct anchorlevel levels[LEVELS];
    size_t n = split(c, judge_all(v, c, now_ns), l);
    if (n == 0)
        return;
    assign_views(v, c, l, n, levels);
    size_t at = anchorlevel_step(v, levels, n), old = offered_level(p, v, c, l, n);
    if (at == old) {
        p->against = 0;
    } else if (!anchorlevel_is_known(v, levels, n) ||
               anchorlevel_is_early(v, &levels[at], now_ns) ||
               is_held(p, v, at, old, n, now_ns)) {
        if (old == n)
            return;
        at = old;
    }
    offer(p, v, c + l[at].from, l[at].to - l[at].from);
}

size_t anchorpick_find(const struct anchorviews *v, const struct anchor_class *c)
{
    const struct anchorsig *best = NULL;
    for (size_t i = 0; i < v->n_sigs; i++) {
        const struct anchorsig *s = &v->sigs[i];
        if (!anchorpick_is_class(s, c))
            continue;
        if (!best || s->is_candidate > best->is_candidate ||
            (s->is_candidate == best->is_candidate && s->count > best->count))
            best = s;
    }
    return best ? (size_t)(best - v->sigs) : ANCHORVIEW_NOBODY;
}
