/* SPDX-License-Identifier: MIT */
/* plan_diff_groups.c - memory, which is compared as an amount, and the groups of nodes of
 * which the same is to be told. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/plan_diff_impl.h"
#include "proto/base/size.h"

#define MEMORY_PERCENT 2u /* the kernel takes its part, and not the same everywhere */

/* ---- memory ---- */

static int by_size(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static bool memory_alike(uint64_t a, uint64_t b)
{
    uint64_t more = a > b ? a : b, less = a > b ? b : a;
    return more - less <= more / 100 * MEMORY_PERCENT;
}

/* The amount that the most nodes have, as nearly as this is compared. */
int diff_find_memory(struct work *w)
{
    uint64_t *sorted = calloc(w->n_nodes + 1, sizeof *sorted);
    size_t n = 0, best = 0, from = 0, to = 0;
    if (!sorted)
        return -ENOMEM;
    for (size_t i = 0; i < w->n_nodes; i++) {
        if (w->memory[i] > 0)
            sorted[n++] = w->memory[i];
    }
    qsort(sorted, n, sizeof *sorted, by_size);
    for (size_t i = 0; i < n; i++) {
        while (!memory_alike(sorted[from], sorted[i]))
            from++;
        while (to < n && memory_alike(sorted[to], sorted[i]))
            to++;
        if (to - from >= best) {
            best = to - from;
            w->usual_memory = sorted[i];
        }
    }
    free(sorted);
    return 0;
}

/* NULL in *ret: as the others. */
static int say_memory(const struct work *w, uint32_t node, char **ret)
{
    char mine[SIZE_TEXT], others[SIZE_TEXT];
    *ret = NULL;
    if (w->memory[node] == 0 || memory_alike(w->memory[node], w->usual_memory))
        return 0;
    return asprintf(ret, "memory %s (others %s)", size_text(w->memory[node], mine),
                    size_text(w->usual_memory, others)) < 0
               ? -ENOMEM
               : 0;
}

/* ---- groups ---- */

static bool same_what(const struct plan_diff_group *g, const struct class *c,
                      const char *memory)
{
    bool same = g->n_what == c->n_items + (memory != NULL);
    for (size_t i = 0; i < c->n_items && same; i++)
        same = strcmp(g->what[i], c->items[i].text) == 0;
    return same && (!memory || strcmp(g->what[g->n_what - 1], memory) == 0);
}

/* `memory` becomes the group's. */
static int make_group(struct plan_diff *d, const struct class *c, char *memory)
{
    struct plan_diff_group g = {.n_what = c->n_items + (memory != NULL)};
    g.what = calloc(g.n_what + 1, sizeof *g.what);
    g.named = calloc(g.n_what + 1, sizeof *g.named);
    bool good = g.what && g.named;
    for (size_t i = 0; i < c->n_items && good; i++) {
        const struct difference *of = &c->items[i].d;
        g.named[i] = of->kind >= FACT_NIC ? strlen(of->id) : 0;
        good = (g.what[i] = strdup(c->items[i].text)) != NULL;
    }
    if (good && memory)
        g.what[g.n_what - 1] = memory;
    else
        free(memory);
    d->groups[d->n_groups++] = g;
    return good ? 0 : -ENOMEM;
}

static int add_node(struct plan_diff_group *g, uint32_t node)
{
    /* Room doubles: it is full at each power of two. */
    if ((g->n_nodes & (g->n_nodes - 1)) == 0) {
        size_t cap = g->n_nodes ? 2 * g->n_nodes : 1;
        uint32_t *more = realloc(g->nodes, cap * sizeof *more);
        if (!more)
            return -ENOMEM;
        g->nodes = more;
    }
    g->nodes[g->n_nodes++] = node;
    return 0;
}

static int group_node(struct plan_diff *d, const struct work *w, uint32_t node)
{
    const struct class *c = &w->classes[w->class_of[node]];
    char *memory = NULL;
    int rc = say_memory(w, node, &memory);
    size_t g = 0;
    while (g < d->n_groups && !same_what(&d->groups[g], c, memory))
        g++;
    if (g < d->n_groups)
        free(memory);
    else if (rc == 0)
        rc = make_group(d, c, memory);
    if (rc < 0)
        return rc;
    d->n_differ += d->groups[g].n_what > 0;
    return add_node(&d->groups[g], node);
}

int diff_make_groups(struct plan_diff *d, const struct work *w)
{
    d->groups = calloc(w->n_nodes, sizeof *d->groups);
    int rc = d->groups ? 0 : -ENOMEM;
    for (uint32_t i = 0; i < w->n_nodes && rc == 0; i++)
        rc = group_node(d, w, i);
    for (size_t g = 1; g < d->n_groups && rc == 0; g++) {
        if (d->groups[g].n_what > 0)
            continue;
        struct plan_diff_group same = d->groups[g];
        memmove(d->groups + 1, d->groups, g * sizeof *d->groups);
        d->groups[0] = same;
        break;
    }
    return rc;
}

void plan_diff_fini(struct plan_diff *d)
{
    for (size_t g = 0; g < d->n_groups; g++) {
        for (size_t i = 0; d->groups[g].what && i < d->groups[g].n_what; i++)
            free(d->groups[g].what[i]);
        free(d->groups[g].what);
        free(d->groups[g].named);
        free(d->groups[g].nodes);
    }
    free(d->groups);
    *d = (struct plan_diff){0};
}
