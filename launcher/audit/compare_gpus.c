/* SPDX-License-Identifier: MIT */
/* compare_gpus.c - GPUs to or from which copies are slower than with the other GPUs of like
 * nodes, or than their links are rated. Where most are below the rating, it is the way of
 * these machines, and nobody stands out. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/audit/audit_compare.h"
#include "launcher/audit/audit_units.h"
#include "launcher/audit/spread.h"
#include "proto/base/limits.h"

#define COPY_FACTOR   1.25
#define FAILED_FACTOR 1e6 /* nothing at all is worse than slow */
#define RATED_LEAST   .6  /* of the rating; a good copy reaches eight tenths and more */

enum way { WAY_TO, WAY_FROM, WAY_WITHIN, WAYS };

struct gpu {
    uint32_t node, class;
    uint64_t v[WAYS], rated;
    const Aolani__AuditCopy *copy;
};

struct gpus {
    struct gpu *list; /* by class */
    size_t n;
    double *some;                /* room for costs of all */
    struct compare_found *found; /* of each node */
    uint32_t *slow;              /* of each node: GPUs */
};

static uint64_t bounded(uint64_t mbytes)
{
    return mbytes < UNITS_MOST ? mbytes : UNITS_MOST;
}

static size_t copies_of(const struct audit_node *n)
{
    size_t k = n->measured ? n->measured->n_copies : 0;
    return k < LIMIT_GPUS ? k : LIMIT_GPUS;
}

static int by_class(const void *x, const void *y)
{
    const struct gpu *p = x, *q = y;
    if (p->class != q->class)
        return p->class > q->class ? 1 : -1;
    return (p->node > q->node) - (p->node < q->node);
}

static int list_gpus(const struct audit *a, const uint32_t *likes, struct gpus *g)
{
    size_t room = 1;
    for (size_t i = 0; i < a->n; i++)
        room += copies_of(&a->nodes[i]);
    g->list = calloc(room, sizeof *g->list);
    g->some = calloc(room, sizeof *g->some);
    if (!g->list || !g->some)
        return -ENOMEM;
    for (uint32_t i = 0; i < a->n; i++)
        for (size_t k = 0; k < copies_of(&a->nodes[i]); k++) {
            const Aolani__AuditCopy *c = a->nodes[i].measured->copies[k];
            g->list[g->n++] =
                (struct gpu){.node = i,
                             .class = likes[i],
                             .v = {bounded(c->to_mbytes), bounded(c->from_mbytes),
                                   bounded(c->within_mbytes)},
                             .rated = bounded(c->rated_mbytes),
                             .copy = c};
        }
    if (g->n > 1)
        qsort(g->list, g->n, sizeof *g->list, by_class);
    return 0;
}

static const char *name_of(const struct gpu *x)
{
    const char *bus = x->copy->bus_id, *uuid = x->copy->uuid;
    return bus && *bus ? bus : uuid && *uuid ? uuid : "?";
}

static void note_slow(struct gpus *g, const struct gpu *x, enum way w, double factor,
                      uint64_t than, const char *which)
{
    static const char *const ways[WAYS] = {
        "copies to it run at", "copies from it run at", "copies within it run at"};
    struct compare_found *f = &g->found[x->node];
    char here[UNIT_TEXT], other[UNIT_TEXT];
    if (factor <= f->factor)
        return;
    f->node = x->node;
    f->factor = factor;
    snprintf(f->text, sizeof f->text, "GPU %.40s: %s %s (%s %s)", name_of(x), ways[w],
             unit_mbytes(x->v[w], here), which, unit_mbytes(than, other));
}

static bool has_failed(const struct gpu *x)
{
    return x->copy->error && *x->copy->error && x->v[WAY_TO] == 0;
}

/* Where most GPUs cannot be measured, it is no GPU's fault. */
static void judge_failed(struct gpus *g, size_t from, size_t to, bool *slow)
{
    size_t failed = 0;
    for (size_t i = from; i < to; i++)
        failed += has_failed(&g->list[i]);
    for (size_t i = from; i < to && failed * 2 < to - from; i++) {
        struct compare_found *f = &g->found[g->list[i].node];
        if (!has_failed(&g->list[i]))
            continue;
        slow[i] = true;
        if (f->factor >= FAILED_FACTOR)
            continue;
        f->node = g->list[i].node;
        f->factor = FAILED_FACTOR;
        snprintf(f->text, sizeof f->text,
                 "GPU %.40s: no copy could be measured: %.100s", name_of(&g->list[i]),
                 g->list[i].copy->error);
    }
}

static int judge_way(struct gpus *g, size_t from, size_t to, enum way w, bool *slow)
{
    struct spread s;
    size_t n = 0;
    for (size_t i = from; i < to; i++)
        if (g->list[i].v[w] > 0)
            g->some[n++] = 1 / (double)g->list[i].v[w];
    if (n < 2)
        return 0;
    int rc = spread_make(g->some, n, COPY_FACTOR, &s);
    for (size_t i = from; rc == 0 && i < to; i++) {
        double cost = g->list[i].v[w] > 0 ? 1 / (double)g->list[i].v[w] : 0;
        if (cost <= s.median * s.limit)
            continue;
        slow[i] = true;
        note_slow(g, &g->list[i], w, cost / s.median, (uint64_t)(1 / s.median + .5),
                  "others");
    }
    return rc;
}

static bool below_rating(const struct gpu *x, enum way w)
{
    return x->v[w] > 0 && (double)x->v[w] < (double)x->rated * RATED_LEAST;
}

static void judge_rating(struct gpus *g, size_t from, size_t to, enum way w, bool *slow)
{
    size_t below = 0;
    for (size_t i = from; i < to; i++)
        below += below_rating(&g->list[i], w);
    if (below * 2 > to - from && to - from > 1)
        return;
    for (size_t i = from; i < to; i++) {
        const struct gpu *x = &g->list[i];
        if (!below_rating(x, w) || slow[i])
            continue;
        slow[i] = true;
        note_slow(g, x, w, (double)x->rated / (double)x->v[w], x->rated,
                  "its link is rated");
    }
}

static int judge_class(struct gpus *g, size_t from, size_t to, bool *slow)
{
    int rc = 0;
    judge_failed(g, from, to, slow);
    for (int w = 0; w < WAYS && rc == 0; w++)
        rc = judge_way(g, from, to, (enum way)w, slow);
    for (int w = 0; w < WAY_WITHIN && rc == 0; w++)
        judge_rating(g, from, to, (enum way)w, slow);
    return rc;
}

static int judge_all(struct gpus *g)
{
    bool *slow = calloc(g->n ? g->n : 1, sizeof *slow);
    int rc = slow ? 0 : -ENOMEM;
    for (size_t i = 0, end; rc == 0 && i < g->n; i = end) {
        for (end = i; end < g->n && g->list[end].class == g->list[i].class;)
            end++;
        rc = judge_class(g, i, end, slow);
    }
    for (size_t i = 0; rc == 0 && i < g->n; i++)
        g->slow[g->list[i].node] += slow[i];
    free(slow);
    return rc;
}

static void say_more(struct compare_found *f, uint32_t more)
{
    size_t at = strnlen(f->text, sizeof f->text);
    snprintf(f->text + at, sizeof f->text - at, ", and %u more GPU%s", more,
             more == 1 ? "" : "s");
}

int compare_gpus(struct audit *a, const uint32_t *likes)
{
    size_t room = a->n ? a->n : 1, n = 0;
    struct gpus g = {.found = calloc(room, sizeof *g.found),
                     .slow = calloc(room, sizeof *g.slow)};
    int rc = g.found && g.slow ? list_gpus(a, likes, &g) : -ENOMEM;
    if (rc == 0)
        rc = judge_all(&g);
    for (size_t i = 0; rc == 0 && i < a->n; i++) {
        if (g.found[i].factor <= 0)
            continue;
        if (g.slow[i] > 1)
            say_more(&g.found[i], g.slow[i] - 1);
        g.found[n++] = g.found[i];
    }
    if (rc == 0)
        rc = compare_say(a, REMARK_GPU, g.found, n);
    free(g.list);
    free(g.some);
    free(g.found);
    free(g.slow);
    return rc;
}
