/* SPDX-License-Identifier: MIT */
/* report.c - the page: what happened in one sentence, where the time went, the nodes, the
 * ranks that did not end well, then the steps (report_steps.c). Ordered so that a reader
 * may stop after any line; no wider than PAGE_COLUMNS. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/failures.h"
#include "launcher/report.h"
#include "launcher/report_history.h"
#include "launcher/report_table.h"
#include "launcher/report_view.h"
#include "proto/base/clock.h"
#include "proto/base/size.h"

#define NODES_SHOWN     32u /* of more: those with something to say first */
#define BAD_RANKS_SHOWN 10u

const char *view_node_name(const struct report_view *v, uint32_t node)
{
    return node < v->n_nodes ? v->nodes[node].name : "?";
}

/* ---- head */

static void page_head(struct page *p, const struct report_view *v)
{
    char text[4096], took[24];
    snprintf(text, sizeof text, "%s: %s; exit status %lld after %s", v->name,
             v->sentence, (long long)v->exit_status,
             clock_format_duration(v->wall_ms, took, sizeof took));
    page_printf(p, "\n");
    page_wrap(p, "", text);
    page_story(p, v);
    page_printf(p, "  run %s, started %s, aolani-run %s\n", v->run_id, v->started_utc,
                v->version);
    if (v->attempts > 1 && !view_has_history(v))
        page_printf(p, "  attempt %u; those before it came to nothing\n", v->attempts);
    page_printf(p, "  %s\n", v->dir);
}

static void page_time(struct page *p, const struct report_view *v)
{
    struct table t;
    char took[24];
    uint64_t sum = 0;
    if (v->n_phases == 0 || v->has_ledger)
        return;
    page_printf(p, "\nTime\n");
    table_init(&t, "lrr");
    for (size_t i = 0; i <= v->n_phases; i++) {
        /* What is left is the launcher's own start and end, and mostly nothing; so is a
         * phase of under 0.1 %. */
        bool last = i == v->n_phases;
        uint64_t ms = !last ? v->phases[i].ms : v->wall_ms > sum ? v->wall_ms - sum : 0;
        if (ms < v->wall_ms / (last ? 200 : 1000) || ms == 0)
            continue;
        sum += ms;
        table_cell(&t, "%s", last ? "rest" : v->phases[i].name);
        table_cell(&t, "%s", clock_format_duration(ms, took, sizeof took));
        table_cell(&t, "%.1f %%",
                   v->wall_ms ? 100.0 * (double)ms / (double)v->wall_ms : 0.0);
    }
    table_print(&t, p, 0);
    table_fini(&t);
}

/* ---- nodes */

struct node_ranks {
    uint32_t first, last, n;
};

static struct node_ranks *ranks_by_node(const struct report_view *v)
{
    struct node_ranks *r = calloc(v->n_nodes + 1, sizeof *r);
    for (size_t i = 0; r && i < v->n_ranks; i++) {
        const struct view_rank *k = &v->ranks[i];
        if (k->node >= v->n_nodes)
            continue;
        struct node_ranks *n = &r[k->node];
        n->first = n->n == 0 || k->rank < n->first ? k->rank : n->first;
        n->last = n->n == 0 || k->rank > n->last ? k->rank : n->last;
        n->n++;
    }
    return r;
}

static void cell_ranks(struct table *t, const struct node_ranks *r)
{
    if (r->n == 0)
        table_cell(t, "none");
    else if (r->n == 1)
        table_cell(t, "%u", r->first);
    else if (r->last - r->first + 1 == r->n)
        table_cell(t, "%u-%u", r->first, r->last);
    else
        table_cell(t, "%u ranks", r->n);
}

/* Each in the unit that suits it: an error of microseconds must not vanish beside an
 * offset of days, which two boots of a monotonic clock may well have. */
static const char *format_clock(double us, const char *sign, char out[32])
{
    double size = us < 0 ? -us : us;
    bool minus = us < 0;
    if (size < 1e3)
        snprintf(out, 32, "%s%.0f us", minus ? "-" : sign, size);
    else if (size < 1e6)
        snprintf(out, 32, "%s%.2f ms", minus ? "-" : sign, size / 1e3);
    else
        snprintf(out, 32, "%s%.3f s", minus ? "-" : sign, size / 1e6);
    return out;
}

static void cell_clock(struct table *t, const struct view_node *n)
{
    char offset[32], error[32];
    if (n->clock_error_us == 0)
        table_cell(t, "not known");
    else
        table_cell(t, "%s \xc2\xb1 %s",
                   format_clock((double)n->clock_offset_us, "+", offset),
                   format_clock((double)n->clock_error_us, "", error));
}

static bool node_is_plain(const struct view_node *n)
{
    return strcmp(n->teardown, "clean") == 0 && n->detail[0] == '\0';
}

static void node_row(struct table *t, const struct view_node *n,
                     const struct node_ranks *r)
{
    bool came = n->hostname[0] != '\0';
    table_cell(t, "%s", n->name);
    table_cell(t, "%s", came ? n->hostname : "never connected");
    cell_ranks(t, r);
    cell_clock(t, n);
    table_cell(t, "%s", !came ? "-" : n->copied ? "copied" : "there");
    table_cell(t, "%s", n->teardown);
}

/* Which nodes get a row: all of few; of many, those that are not plain come first. */
static size_t choose_nodes(const struct report_view *v, size_t *chosen)
{
    size_t n = 0;
    bool few = v->n_nodes <= NODES_SHOWN;
    for (size_t i = 0; i < v->n_nodes && n < NODES_SHOWN; i++)
        if (few || !node_is_plain(&v->nodes[i]))
            chosen[n++] = i;
    return n;
}

static void page_node_table(struct page *p, const struct report_view *v,
                            const struct node_ranks *ranks)
{
    static const char *const heads[] = {"node",         "host",  "ranks",
                                        "clock offset", "agent", "teardown"};
    struct table t;
    size_t chosen[NODES_SHOWN], n = choose_nodes(v, chosen), plain = 0, left;
    for (size_t i = 0; i < v->n_nodes; i++)
        plain += node_is_plain(&v->nodes[i]);
    left = v->n_nodes - n;
    table_init(&t, "llllll");
    for (size_t i = 0; i < sizeof heads / sizeof *heads && n > 0; i++)
        table_cell(&t, "%s", heads[i]);
    for (size_t i = 0; i < n; i++)
        node_row(&t, &v->nodes[chosen[i]], &ranks[chosen[i]]);
    table_print(&t, p, 1);
    table_fini(&t);
    if (left > 0 && left == plain)
        page_printf(p, n > 0 ? "  and %zu more, all clean\n" : "  %zu, all clean\n",
                    left);
    else if (left > 0)
        page_printf(p, "  and %zu more, of which %zu clean\n", left, plain);
    for (size_t i = 0; i < n; i++) {
        const struct view_node *k = &v->nodes[chosen[i]];
        char first[32];
        snprintf(first, sizeof first, "  %.24s: ", k->name);
        if (k->detail[0])
            page_wrap(p, first, k->detail);
    }
}

static void page_nodes(struct page *p, const struct report_view *v)
{
    struct node_ranks *ranks = ranks_by_node(v);
    if (!ranks) {
        p->rc = -ENOMEM;
        return;
    }
    page_printf(p, "\nNodes\n");
    page_node_table(p, v, ranks);
    free(ranks);
}

/* ---- ranks */

static const char *who_ended(const struct view_rank *r)
{
    bool ran = strncmp(r->end, "exit", 4) == 0 || strncmp(r->end, "signal", 6) == 0;
    return !ran ? "-" : r->ended_by_us ? "aolani-run" : "itself";
}

static void page_bad_ranks(struct page *p, const struct report_view *v)
{
    struct table t;
    size_t n = 0;
    table_init(&t, "rlll");
    table_cell(&t, "rank");
    table_cell(&t, "node");
    table_cell(&t, "end");
    table_cell(&t, "ended by");
    /* Those that ended of their own come first: one of them is the cause. */
    for (int by_us = 0; by_us < 2; by_us++) {
        for (size_t i = 0; i < v->n_ranks; i++) {
            const struct view_rank *r = &v->ranks[i];
            if (strcmp(r->end, "exit 0") == 0 || r->ended_by_us != by_us ||
                n++ >= BAD_RANKS_SHOWN)
                continue;
            table_cell(&t, "%u", r->rank);
            table_cell(&t, "%s", view_node_name(v, r->node));
            table_cell(&t, "%s", r->end);
            table_cell(&t, "%s", who_ended(r));
        }
    }
    if (n > 0)
        table_print(&t, p, 1);
    if (n > BAD_RANKS_SHOWN)
        page_printf(p, "  and %zu more\n", n - BAD_RANKS_SHOWN);
    table_fini(&t);
}

static void page_ranks(struct page *p, const struct report_view *v)
{
    uint64_t user = 0, sys = 0, bytes = 0;
    const struct view_rank *top = NULL;
    char a[24], b[24], c[24], d[24];
    if (v->n_ranks == 0)
        return;
    for (size_t i = 0; i < v->n_ranks; i++) {
        const struct view_rank *r = &v->ranks[i];
        user += r->cpu_user_ms;
        sys += r->cpu_sys_ms;
        bytes += r->out_bytes + r->err_bytes;
        top = !top || r->max_rss_kib > top->max_rss_kib ? r : top;
    }
    page_printf(p, "\nRanks\n");
    page_printf(
        p, "  %zu; CPU %s user, %s system; largest memory %s (rank %u); output %s\n",
        v->n_ranks, clock_format_duration(user, a, sizeof a),
        clock_format_duration(sys, b, sizeof b), size_text(top->max_rss_kib * 1024, c),
        top->rank, size_text(bytes, d));
    page_bad_ranks(p, v);
    page_outputs(p, v);
}

static void page_audit(struct page *p, const struct report_view *v)
{
    if (!v->audit[0])
        return;
    page_printf(p, "\nWhat the nodes are\n");
    page_wrap(p, "  ", v->audit);
}

/* "gpu[01-08]: NCCL goes over ib+gdr" */
static void page_nets(struct page *p, const struct report_view *v)
{
    struct failure *all = calloc(v->n_nodes + 1, sizeof *all);
    char text[1000];
    size_t n = 0;
    for (size_t i = 0; all && i < v->n_nodes; i++) {
        if (v->nodes[i].net[0])
            all[n++] = (struct failure){v->nodes[i].name, v->nodes[i].net, ""};
    }
    if (n > 0) {
        (void)snprintf(text, sizeof text, "NCCL, between nodes: ");
        size_t at = strlen(text);
        failures_format(all, n, text + at, sizeof text - at);
        page_wrap(p, "  ", text);
    }
    free(all);
}

static void page_nccl(struct page *p, const struct report_view *v)
{
    bool any = v->nccl[0] != '\0';
    for (size_t i = 0; i < v->n_nodes; i++)
        any = any || v->nodes[i].net[0];
    if (any)
        page_printf(p, "\nNetworks\n");
    if (v->nccl[0])
        page_printf(p, "  %s\n", v->nccl);
    page_nets(p, v);
}

static void page_warnings(struct page *p, const struct report_view *v)
{
    if (v->n_warnings > 0)
        page_printf(p, "\nWarnings\n");
    for (size_t i = 0; i < v->n_warnings; i++)
        page_wrap(p, "  - ", v->warnings[i].text);
}

/* ---- the whole */

static int page_all(const struct report_view *v, struct buf *out)
{
    struct page p = {.out = out};
    page_head(&p, v);
    page_history(&p, v);
    page_time(&p, v);
    page_ledger(&p, v);
    page_variance(&p, v);
    page_nodes(&p, v);
    page_ranks(&p, v);
    page_steps(&p, v);
    page_binding(&p, v);
    page_audit(&p, v);
    page_gpus(&p, v);
    page_nccl(&p, v);
    page_warnings(&p, v);
    return p.rc;
}

int report_text(const struct summary *s, struct buf *out)
{
    struct report_view v;
    int rc = view_from_summary(&v, s);
    if (rc == 0)
        rc = page_all(&v, out);
    view_fini(&v);
    return rc;
}

int report_json(const struct summary *s, struct buf *out)
{
    struct report_view v;
    int rc = view_from_summary(&v, s);
    if (rc == 0)
        rc = view_to_json(&v, out);
    view_fini(&v);
    return rc;
}

int report_text_from_json(const char *json, size_t len, uint32_t ranks, struct buf *out,
                          struct err *e)
{
    struct report_view v;
    int rc = view_from_json(&v, json, len, e);
    v.ask_ranks = ranks;
    if (rc == 0 && (rc = page_all(&v, out)) < 0)
        err_sys(e, rc == ERR_LIMIT ? -E2BIG : rc, "write the page");
    view_fini(&v);
    return rc;
}
