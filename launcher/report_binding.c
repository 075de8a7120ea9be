/* SPDX-License-Identifier: MIT */
/* report_binding.c - asked, applied and observed: one line where they agree, else a table
 * of the ranks that differ. A part of report. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/report_table.h"
#include "launcher/report_view.h"
#include "proto/base/clock.h"
#include "proto/base/rankset.h"

#define RANKS_SHOWN  10u
#define DRIFTS_SHOWN 4u    /* of one rank */
#define LIST_SHOWN   1000u /* bytes of the ranks that drifted alike */

static const struct {
    const char *what, *name;
} kinds[] = {
    {"cpus", "cores"}, {"memory", "memory"}, {"gpu", "GPU"}, {"cgroup", "cgroup"}};
#define KINDS (sizeof kinds / sizeof *kinds)

static bool differs(const struct binding *b)
{
    return b->n_drifts > 0 ||
           (b->read && b->cpus[0] && strcmp(b->cpus, b->applied) != 0);
}

/* "not started", "not executed: ...": there was nothing to be read back. */
static bool never_ran(const struct view_rank *r)
{
    return strncmp(r->end, "not ", 4) == 0;
}

struct tally {
    size_t planned, read, bound, differ;
    size_t asked[KINDS], good[KINDS], unverified[KINDS];
    const char *why[KINDS]; /* the first reason */
    bool other[KINDS];      /* and there is another */
};

static void tally_check(struct tally *t, size_t kind, const struct binding_check *c)
{
    t->asked[kind]++;
    if (strcmp(c->state, "as asked") == 0)
        t->good[kind]++;
    if (strcmp(c->state, "unverified") != 0)
        return;
    t->unverified[kind]++;
    if (!t->why[kind])
        t->why[kind] = c->text;
    else if (strcmp(t->why[kind], c->text) != 0)
        t->other[kind] = true;
}

static void tally_all(struct tally *t, const struct report_view *v)
{
    for (size_t i = 0; i < v->n_ranks; i++) {
        const struct binding *b = v->ranks[i].binding;
        if (!b || (!b->read && never_ran(&v->ranks[i])))
            continue;
        t->planned++;
        t->read += b->read;
        t->bound += b->cpus[0] != '\0';
        t->differ += differs(b);
        for (size_t k = 0; k < KINDS && b->read; k++) {
            const struct binding_check *c = binding_check_of(b, kinds[k].what);
            if (c)
                tally_check(t, k, c);
        }
    }
}

/* "cores as asked and observed", "memory unverified: one NUMA node" */
static void add_kind(struct buf *out, const struct tally *t, size_t k)
{
    const char *name = kinds[k].name;
    size_t bad = t->asked[k] - t->good[k] - t->unverified[k];
    if (t->asked[k] == 0)
        return;
    if (t->good[k] == t->asked[k])
        (void)buf_printf(out, "; %s as asked and observed", name);
    else if (t->good[k] > 0)
        (void)buf_printf(out, "; %s as asked on %zu of them", name, t->good[k]);
    if (bad > 0 && t->good[k] > 0)
        (void)buf_printf(out, ", not as asked on %zu", bad);
    else if (bad > 0)
        (void)buf_printf(out, "; %s not as asked on %zu", name, bad);
    if (t->unverified[k] == 0)
        return;
    if (t->unverified[k] == t->asked[k])
        (void)buf_printf(out, "; %s unverified: %s", name, t->why[k]);
    else
        (void)buf_printf(out, ", unverified on %zu: %s", t->unverified[k], t->why[k]);
    if (t->other[k])
        (void)buf_printf(out, ", or other reasons");
}

static void page_line(struct page *p, const struct tally *t)
{
    struct buf text;
    size_t left = t->planned - t->read;
    buf_init(&text, 1u << 16);
    (void)buf_printf(&text, "%zu rank%s", t->read, t->read == 1 ? "" : "s");
    if (t->differ > 0)
        (void)buf_printf(&text, " (%zu differed), at the end", t->differ);
    size_t at = text.len;
    if (t->bound == 0)
        (void)buf_printf(&text, "; cores not bound");
    for (size_t k = 0; k < KINDS; k++)
        add_kind(&text, t, k);
    if (text.data && text.len > at)
        text.data[at] = ':'; /* for the first semicolon */
    if (text.data && t->read > 0)
        page_wrap(p, "  ", (const char *)text.data);
    if (left > 0)
        page_printf(p, "  %zu rank%s ended before %s read back\n", left,
                    left == 1 ? "" : "s", left == 1 ? "it was" : "they were");
    buf_fini(&text);
}

/* ---- what differs ---- */

static const char *cut(const char *cpus, char out[28])
{
    (void)snprintf(out, 28, "%.24s%s", cpus[0] ? cpus : "-",
                   strlen(cpus) > 24 ? "..." : "");
    return out;
}

/* Drift that is over has left no other cores behind. */
static bool has_other_cores(const struct binding *b)
{
    return differs(b) && b->cpus[0] &&
           (strcmp(b->cpus, b->applied) != 0 || strcmp(b->cpus, b->seen_cpus) != 0);
}

static void page_table(struct page *p, const struct report_view *v)
{
    static const char *const heads[] = {"rank", "node", "cores asked", "applied",
                                        "observed last"};
    struct table t;
    char text[28];
    size_t n = 0;
    table_init(&t, "rllll");
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        table_cell(&t, "%s", heads[i]);
    for (size_t i = 0; i < v->n_ranks; i++) {
        const struct binding *b = v->ranks[i].binding;
        if (!b || !has_other_cores(b) || n++ >= RANKS_SHOWN)
            continue;
        table_cell(&t, "%u", v->ranks[i].rank);
        table_cell(&t, "%s", view_node_name(v, v->ranks[i].node));
        table_cell(&t, "%s", cut(b->cpus, text));
        table_cell(&t, "%s", cut(b->applied, text));
        table_cell(&t, "%s", cut(b->seen_cpus, text));
    }
    if (n > 0)
        table_print(&t, p, 1);
    table_fini(&t);
    if (n > RANKS_SHOWN)
        page_printf(p, "  and %zu more\n", n - RANKS_SHOWN);
}

/* One line; ranks of which the same is to be said share it. */
struct drift_line {
    char text[520];
    struct rankset ranks;
};

struct drift_lines {
    struct drift_line list[RANKS_SHOWN * DRIFTS_SHOWN];
    size_t n;
};

static void lines_add(struct drift_lines *l, uint32_t rank, const char *text)
{
    size_t i = 0;
    while (i < l->n && strcmp(l->list[i].text, text) != 0)
        i++;
    if (i == l->n)
        (void)snprintf(l->list[l->n++].text, sizeof l->list[i].text, "%s", text);
    (void)rankset_add(&l->list[i].ranks, rank);
}

static void lines_add_rank(struct drift_lines *l, uint32_t rank,
                           const struct binding *b)
{
    char text[520], from[24], to[24];
    for (size_t i = 0; i < b->n_drifts && i < DRIFTS_SHOWN; i++) {
        const struct binding_drift *d = &b->drifts[i];
        (void)clock_format_duration(d->from_ms, from, sizeof from);
        if (d->over)
            (void)snprintf(text, sizeof text, "%s to %s after the start: %s", from,
                           clock_format_duration(d->to_ms, to, sizeof to), d->text);
        else
            (void)snprintf(text, sizeof text, "from %s after the start to the end: %s",
                           from, d->text);
        lines_add(l, rank, text);
    }
}

static void page_lines(struct page *p, struct drift_lines *l)
{
    for (size_t i = 0; i < l->n; i++) {
        struct buf names, text;
        buf_init(&names, 1u << 24);
        buf_init(&text, 1u << 16);
        bool many = rankset_count(&l->list[i].ranks) > 1;
        int rc = rankset_format(&l->list[i].ranks, &names);
        const char *list = rc == 0 ? (const char *)names.data : "";
        size_t n = rankset_shown(list, LIST_SHOWN);
        if (rc == 0 && buf_printf(&text, "rank%s %.*s%s, %s", many ? "s" : "", (int)n,
                                  list, list[n] ? "..." : "", l->list[i].text) == 0)
            page_wrap(p, "  ", (const char *)text.data);
        buf_fini(&names);
        buf_fini(&text);
        rankset_fini(&l->list[i].ranks);
    }
}

static void page_more(struct page *p, uint32_t rank, const struct binding *b)
{
    uint64_t more = b->more_drifts;
    if (b->n_drifts > DRIFTS_SHOWN)
        more += b->n_drifts - DRIFTS_SHOWN;
    if (more > 0)
        page_printf(p, "  rank %u drifted %llu times more\n", rank,
                    (unsigned long long)more);
}

static void page_drifts(struct page *p, const struct report_view *v)
{
    struct drift_lines *l = calloc(1, sizeof *l);
    if (!l) {
        p->rc = p->rc ? p->rc : -ENOMEM;
        return;
    }
    const struct view_rank *shown[RANKS_SHOWN];
    size_t n = 0;
    for (size_t i = 0; i < v->n_ranks && n < RANKS_SHOWN; i++) {
        if (v->ranks[i].binding && differs(v->ranks[i].binding))
            shown[n++] = &v->ranks[i];
    }
    for (size_t i = 0; i < n; i++)
        lines_add_rank(l, shown[i]->rank, shown[i]->binding);
    page_lines(p, l);
    for (size_t i = 0; i < n; i++)
        page_more(p, shown[i]->rank, shown[i]->binding);
    free(l);
}

void page_binding(struct page *p, const struct report_view *v)
{
    struct tally t = {0};
    tally_all(&t, v);
    if (t.planned == 0)
        return;
    page_printf(p, "\nBinding\n");
    page_line(p, &t);
    if (t.differ == 0)
        return;
    page_table(p, v);
    page_drifts(p, v);
}
