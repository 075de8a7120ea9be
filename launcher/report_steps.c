/* SPDX-License-Identifier: MIT */
/* report_steps.c - the part of the page about steps: the job's step time, and the tables
 * behind it. What waiting cost and why, report_variance.c says where that is known. Of many
 * ranks the page shows nodes and the worst ranks; run.json has all. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/report_table.h"
#include "launcher/report_units.h"
#include "launcher/report_view.h"
#include "proto/base/clock.h"

#define RANKS_SHOWN  32u
#define WORST_RANKS  10u
#define WORST_NODES  16u
#define LOSS_MATTERS 2.0 /* percent of the step time, as in steps_culprit */

static double per(uint64_t sum, uint64_t n)
{
    return unit_per((double)sum, (double)n);
}

static double percent(uint64_t part, uint64_t whole)
{
    return unit_percent((double)part, (double)whole);
}

/* ---- what it comes to */

/* Nothing is known of who was late. */
static bool is_uncompared(const struct report_view *v)
{
    return (v->job.closed > 0 && v->job.uncompared == v->job.closed) ||
           v->job.loss_sum == STEPS_UNKNOWN;
}

/* What marks steps, and why not from a better source. */
static void page_source(struct page *p, const struct report_view *v)
{
    char text[1024];
    const char *why = v->step_source_why;
    if (!v->step_source_words[0])
        return;
    (void)snprintf(text, sizeof text, "steps: %.400s%s%.400s", v->step_source_words,
                   why[0] ? "; " : "", why);
    page_wrap(p, "  ", text);
    if (is_uncompared(v))
        page_printf(p, "  waiting is in them: which rank was late is not known\n");
}

static void page_job(struct page *p, const struct report_view *v)
{
    const struct steps_job *j = &v->job;
    char a[UNITS_TEXT], b[UNITS_TEXT], c[UNITS_TEXT], d[UNITS_TEXT];
    page_printf(p, "  %llu steps%s", (unsigned long long)j->closed,
                is_uncompared(v) ? "" : " compared");
    if (j->special)
        page_printf(p, ", %llu special ones (evaluation, checkpoint) left out",
                    (unsigned long long)j->special);
    page_printf(p, "\n  step time: p50 %s, p90 %s, p99 %s, max %s\n",
                format_us((double)j->p50, a), format_us((double)j->p90, b),
                format_us((double)j->p99, c), format_us((double)j->max, d));
    if (v->n_ranks < 2 || v->variance.known || is_uncompared(v))
        return;
    page_printf(p, "  straggler loss: %s per step, %.1f %% of step time, %s in all\n",
                format_us(per(j->loss_sum, j->closed), a),
                percent(j->loss_sum, j->t_sum),
                clock_format_duration(j->loss_sum / 1000, b, sizeof b));
}

/* ---- the culprit, where attribution says nothing: runs of older versions */

static void page_culprit(struct page *p, const struct report_view *v)
{
    const struct steps_job *j = &v->job;
    char text[512], us[UNITS_TEXT];
    for (size_t i = 0; i < v->n_ranks && v->culprit >= 0; i++) {
        const struct view_rank *k = &v->ranks[i];
        if (k->rank != v->culprit || k->steps.loss_sum == STEPS_UNKNOWN)
            continue;
        snprintf(text, sizeof text,
                 "rank %u on node %.200s was the slowest in %.0f %% of steps: %s of "
                 "straggler loss per step (%.0f %% of step time)",
                 k->rank, view_node_name(v, k->node),
                 percent(k->steps.slowest_n, j->closed),
                 format_us(per(k->steps.loss_sum, j->closed), us),
                 percent(k->steps.loss_sum, j->t_sum));
        page_wrap(p, "  ", text);
        return;
    }
    if (v->n_ranks > 1)
        page_printf(p, "  %s\n",
                    percent(j->loss_sum, j->t_sum) < LOSS_MATTERS
                        ? "no rank holds the others up"
                        : "no single rank stands out: the loss is spread, or the steps "
                          "are few");
}

/* ---- tables */

static void head(struct table *t, const char *const *names)
{
    for (; *names; names++)
        table_cell(t, "%s", *names);
}

static void cell_mean(struct table *t, const struct unit *u, uint64_t sum, uint64_t n)
{
    if (sum == STEPS_UNKNOWN)
        table_cell(t, "-");
    else
        cell_us(t, u, per(sum, n));
}

/* What steps that are not compared say nothing of. */
struct shares {
    uint64_t n, busy, wait, loss; /* STEPS_UNKNOWN */
};

static void cells_shares(struct table *t, const struct report_view *v,
                         const struct unit *u, const struct shares *s)
{
    bool none = is_uncompared(v);
    cell_mean(t, u, none ? STEPS_UNKNOWN : s->busy, s->n);
    cell_mean(t, u, none ? STEPS_UNKNOWN : s->wait, s->n);
    cell_mean(t, u, none ? STEPS_UNKNOWN : s->loss, v->job.closed);
    if (none || s->loss == STEPS_UNKNOWN)
        table_cell(t, "-");
    else
        table_cell(t, "%.1f %%", percent(s->loss, v->job.t_sum));
}

static void rank_row(struct table *t, const struct report_view *v, const struct unit *u,
                     const struct view_rank *k)
{
    const struct steps_rank *r = &k->steps;
    table_cell(t, "%u", k->rank);
    table_cell(t, "%s", view_node_name(v, k->node));
    table_cell(t, "%llu", (unsigned long long)r->n);
    if (r->n == 0) {
        for (int i = 0; i < 9; i++)
            table_cell(t, "-");
        return;
    }
    cell_us(t, u, (double)r->p50);
    cell_us(t, u, (double)r->p90);
    cell_us(t, u, (double)r->p99);
    cell_us(t, u, (double)r->max);
    table_cell(t, "%.1f %%", 100 * r->cv);
    cells_shares(t, v, u,
                 &(struct shares){r->n, r->busy_sum, r->wait_sum, r->loss_sum});
}

static uint64_t known_loss(const struct view_rank *k)
{
    return k->steps.loss_sum == STEPS_UNKNOWN ? 0 : k->steps.loss_sum;
}

static int compare_loss(const void *a, const void *b)
{
    const struct view_rank *x = *(const struct view_rank *const *)a;
    const struct view_rank *y = *(const struct view_rank *const *)b;
    uint64_t lx = known_loss(x), ly = known_loss(y);
    return lx != ly ? (lx < ly) - (lx > ly) : (x->rank > y->rank) - (x->rank < y->rank);
}

static void page_rank_table(struct page *p, const struct report_view *v,
                            const struct unit *u)
{
    static const char *const names[] = {"rank", "node",    "steps", "p50",  "p90",
                                        "p99",  "max",     "CV",    "busy", "waiting",
                                        "loss", "of step", NULL};
    struct table t;
    bool few = v->n_ranks <= RANKS_SHOWN;
    size_t n = few ? v->n_ranks : WORST_RANKS;
    const struct view_rank **order = malloc((v->n_ranks + 1) * sizeof *order);
    if (!order) {
        p->rc = -ENOMEM;
        return;
    }
    for (size_t i = 0; i < v->n_ranks; i++)
        order[i] = &v->ranks[i];
    if (!few) {
        qsort(order, v->n_ranks, sizeof *order, compare_loss);
        page_printf(p, "\n  the %zu ranks with the most loss, of %zu\n", n, v->n_ranks);
    }
    table_init(&t, "rlrrrrrrrrrr");
    head(&t, names);
    for (size_t i = 0; i < n; i++)
        rank_row(&t, v, u, order[i]);
    table_print(&t, p, 1);
    table_fini(&t);
    free(order);
}

/* A node, summed up over its ranks. */
struct node_sum {
    uint32_t node, n;
    uint64_t max;
    struct shares s; /* of the ranks of which they are known */
};

static int compare_node_loss(const void *a, const void *b)
{
    const struct node_sum *x = a, *y = b;
    uint64_t lx = x->s.loss, ly = y->s.loss;
    return lx != ly ? (lx < ly) - (lx > ly) : (x->node > y->node) - (x->node < y->node);
}

static struct node_sum *sum_nodes(const struct report_view *v)
{
    struct node_sum *sums = calloc(v->n_nodes + 1, sizeof *sums);
    for (size_t i = 0; sums && i < v->n_nodes; i++)
        sums[i].node = (uint32_t)i;
    for (size_t i = 0; sums && i < v->n_ranks; i++) {
        const struct view_rank *k = &v->ranks[i];
        if (k->node >= v->n_nodes)
            continue;
        struct node_sum *s = &sums[k->node];
        s->n++;
        s->max = k->steps.max > s->max ? k->steps.max : s->max;
        if (k->steps.wait_sum == STEPS_UNKNOWN)
            continue;
        s->s.n += k->steps.n;
        s->s.busy += k->steps.busy_sum;
        s->s.wait += k->steps.wait_sum;
        s->s.loss += known_loss(k);
    }
    return sums;
}

static void page_node_table(struct page *p, const struct report_view *v,
                            const struct unit *u)
{
    static const char *const names[] = {"node",    "ranks", "max",     "busy",
                                        "waiting", "loss",  "of step", NULL};
    struct table t;
    struct node_sum *sums = sum_nodes(v);
    size_t n = v->n_nodes < WORST_NODES ? v->n_nodes : WORST_NODES;
    if (!sums) {
        p->rc = -ENOMEM;
        return;
    }
    qsort(sums, v->n_nodes, sizeof *sums, compare_node_loss);
    if (n < v->n_nodes)
        page_printf(p, "  the %zu nodes with the most loss, of %zu\n", n, v->n_nodes);
    table_init(&t, "lrrrrrr");
    head(&t, names);
    for (size_t i = 0; i < n; i++) {
        table_cell(&t, "%s", view_node_name(v, sums[i].node));
        table_cell(&t, "%u", sums[i].n);
        cell_us(&t, u, (double)sums[i].max);
        if (sums[i].s.n == 0)
            sums[i].s = (struct shares){0, STEPS_UNKNOWN, STEPS_UNKNOWN, STEPS_UNKNOWN};
        cells_shares(&t, v, u, &sums[i].s);
    }
    table_print(&t, p, 0);
    table_fini(&t);
    free(sums);
}

static void page_dropped(struct page *p, const struct report_view *v)
{
    char text[512] = "";
    size_t n = 0;
    for (size_t i = 0; i < v->n_ranks; i++) {
        const struct steps_rank *r = &v->ranks[i].steps;
        size_t at = strlen(text);
        if (r->dropped == 0 || n++ >= 5)
            continue;
        snprintf(text + at, sizeof text - at, "%s%llu of rank %u", at ? ", " : "",
                 (unsigned long long)r->dropped, v->ranks[i].rank);
    }
    if (n == 0)
        return;
    size_t at = strlen(text);
    if (n > 5)
        snprintf(text + at, sizeof text - at, ", and some of %zu more", n - 5);
    page_wrap(p, "  records lost on the way, missing above: ", text);
}

/* The unit of the tables: that of a usual step. 0: no rank has any. */
static double usual_us(const struct report_view *v)
{
    uint64_t us = v->job.p50;
    for (size_t i = 0; i < v->n_ranks && us == 0; i++)
        us = v->ranks[i].steps.n > 0 ? v->ranks[i].steps.p50 : 0;
    return (double)us;
}

void page_steps(struct page *p, const struct report_view *v)
{
    struct unit u = unit_for(usual_us(v));
    if (!v->has_steps) { /* many programs never do: a word, not a section */
        page_printf(p, "  no rank marked steps, see aolani.h\n");
        return;
    }
    page_printf(p, "\nSteps\n");
    page_source(p, v);
    if (v->job.closed == 0) {
        page_printf(
            p, "  none to compare: all were warm-up, special, or not marked by all "
               "ranks\n");
    } else {
        page_job(p, v);
        if (!v->variance.known && !is_uncompared(v))
            page_culprit(p, v);
    }
    if (usual_us(v) > 0) {
        page_printf(p,
                    "\n  times in %s; busy and waiting are means per step, loss is the "
                    "straggler loss per step\n",
                    u.name);
        if (v->n_ranks > RANKS_SHOWN)
            page_node_table(p, v, &u);
        page_rank_table(p, v, &u);
    }
    page_dropped(p, v);
}
