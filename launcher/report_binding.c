/* SPDX-License-Identifier: MIT */
/* report_binding.c - asked, applied and observed: one line where they agree, else a table
 * of the ranks that differ. A part of report. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/report_table.h"
#include "launcher/report_view.h"
#include "proto/base/clock.h"

#define RANKS_SHOWN  10u
#define DRIFTS_SHOWN 4u /* of one rank */

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
        if (!b)
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
    if (bad > 0)
        (void)buf_printf(out, "%s %s %s at the end on %zu", t->good[k] ? "," : ";",
                         t->good[k] ? "" : name, "drifted", bad);
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
        if (!b || !differs(b) || n++ >= RANKS_SHOWN)
            continue;
        table_cell(&t, "%u", v->ranks[i].rank);
        table_cell(&t, "%s", view_node_name(v, v->ranks[i].node));
        table_cell(&t, "%s", cut(b->cpus, text));
        table_cell(&t, "%s", cut(b->applied, text));
        table_cell(&t, "%s", cut(b->seen_cpus, text));
    }
    table_print(&t, p, 1);
    table_fini(&t);
    if (n > RANKS_SHOWN)
        page_printf(p, "  and %zu more\n", n - RANKS_SHOWN);
}

static void page_drifts(struct page *p, uint32_t rank, const struct binding *b)
{
    char text[600], from[24], to[24];
    for (size_t i = 0; i < b->n_drifts && i < DRIFTS_SHOWN; i++) {
        const struct binding_drift *d = &b->drifts[i];
        (void)snprintf(text, sizeof text, "rank %u, %s to %s after the start: %s", rank,
                       clock_format_duration(d->from_ms, from, sizeof from),
                       d->over ? clock_format_duration(d->to_ms, to, sizeof to)
                               : "the end",
                       d->text);
        page_wrap(p, "  ", text);
    }
    uint64_t more = b->more_drifts;
    if (b->n_drifts > DRIFTS_SHOWN)
        more += b->n_drifts - DRIFTS_SHOWN;
    if (more > 0)
        page_printf(p, "  rank %u drifted %llu times more\n", rank,
                    (unsigned long long)more);
}

void page_binding(struct page *p, const struct report_view *v)
{
    struct tally t = {0};
    size_t n = 0;
    tally_all(&t, v);
    if (t.planned == 0)
        return;
    page_printf(p, "\nBinding\n");
    page_line(p, &t);
    if (t.differ == 0)
        return;
    page_table(p, v);
    for (size_t i = 0; i < v->n_ranks && n < RANKS_SHOWN; i++) {
        const struct binding *b = v->ranks[i].binding;
        if (!b || !differs(b))
            continue;
        page_drifts(p, v->ranks[i].rank, b);
        n++;
    }
}
