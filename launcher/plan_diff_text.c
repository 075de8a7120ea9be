/* SPDX-License-Identifier: MIT */
/* plan_diff_text.c - the groups of plan_diff.h, as lines. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/plan_diff.h"
#include "launcher/report_table.h"
#include "proto/base/hostlist.h"

#define WHAT_MOST 12u /* of a node; another machine differs in everything */

static bool same_of_others(const struct plan_diff_group *g, size_t a, size_t b)
{
    return g->named[a] > 0 && g->named[b] > 0 &&
           strcmp(g->what[a] + g->named[a], g->what[b] + g->named[b]) == 0;
}

/* "mlx5_[0-3] down": one difference that several NICs have, told at the first. */
static int several(const struct plan_diff_group *g, size_t first, struct buf *out)
{
    struct hostlist l = {0};
    int rc = 0;
    l.names = calloc(g->n_what, sizeof *l.names);
    for (size_t i = first; l.names && i < g->n_what && rc == 0; i++) {
        if (i != first && !same_of_others(g, first, i))
            continue;
        char *name = strndup(g->what[i], g->named[i]);
        if (name)
            l.names[l.n++] = name;
        rc = name ? 0 : -ENOMEM;
    }
    rc = l.names ? rc : -ENOMEM;
    if (rc == 0)
        rc = hostlist_format(&l, out);
    hostlist_fini(&l);
    return rc == 0 ? buf_printf(out, "%s", g->what[first] + g->named[first]) : rc;
}

static bool is_told(const struct plan_diff_group *g, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (same_of_others(g, k, i))
            return true;
    }
    return false;
}

int plan_diff_words(const struct plan_diff_group *g, size_t most, struct buf *out)
{
    int rc = g->n_what ? 0 : buf_printf(out, "same");
    size_t told = 0, more = 0;
    for (size_t i = 0; i < g->n_what && rc == 0; i++) {
        if (is_told(g, i))
            continue;
        if (told == most) {
            more++;
            continue;
        }
        rc = buf_printf(out, "%s", told++ ? ", " : "");
        if (rc == 0)
            rc = g->named[i] ? several(g, i, out) : buf_printf(out, "%s", g->what[i]);
    }
    return rc == 0 && more > 0 ? buf_printf(out, ", and %zu more", more) : rc;
}

static int group_text(const struct plan_diff_group *g, char *const *names,
                      struct buf *out)
{
    struct hostlist l = {0};
    l.names = calloc(g->n_nodes, sizeof *l.names);
    for (; l.names && l.n < g->n_nodes; l.n++)
        l.names[l.n] = names[g->nodes[l.n]];
    int rc = l.names ? hostlist_format(&l, out) : -ENOMEM;
    free(l.names);
    if (rc == 0)
        rc = buf_printf(out, ": ");
    return rc == 0 ? plan_diff_words(g, WHAT_MOST, out) : rc;
}

static int wrap_text(const struct buf *text, struct buf *out)
{
    struct page p = {.out = out};
    page_wrap(&p, "", (char *)text->data);
    return p.rc;
}

int plan_diff_format(const struct plan_diff *d, char *const *names, struct buf *out)
{
    struct buf one, line;
    int rc = 0;
    if (d->n_nodes < 2)
        return 0;
    buf_init(&one, 1u << 26);
    for (size_t g = 0; g < d->n_groups && rc == 0; g++) {
        rc = buf_printf(&one, "%s", g ? "; " : "");
        if (rc == 0)
            rc = group_text(&d->groups[g], names, &one);
    }
    if (rc == 0 && one.len <= PAGE_COLUMNS)
        rc = buf_printf(out, "%s\n", (char *)one.data);
    else if (rc == 0) {
        for (size_t g = 0; g < d->n_groups && rc == 0; g++) {
            buf_init(&line, 1u << 26);
            rc = group_text(&d->groups[g], names, &line);
            if (rc == 0)
                rc = wrap_text(&line, out);
            buf_fini(&line);
        }
    }
    buf_fini(&one);
    return rc;
}
