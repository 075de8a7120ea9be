/* SPDX-License-Identifier: MIT */
/* report_variance.c - what waiting for the slowest rank cost, by mechanism: first the three
 * by which virtualization is said to cost, each with its figure or why there is none; the
 * times in which a rank was slow; and the other ranks that were late. What may be concluded
 * from that is report_beyond.c. A part of report. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/report_table.h"
#include "launcher/report_units.h"
#include "launcher/report_view.h"

#define SHOWN         0.05 /* percent of the step time: less is no row */
#define SPELLS_SHOWN  10u
#define BLAMES_SHOWN  5u
#define BLAMES_TRIED  64u /* of a file that anyone may have written, not all */
#define BLAME_MATTERS 0.5 /* percent of the step time */

double view_loss_us(const struct report_view *v)
{
    double sum = v->variance.small_us;
    for (int m = 0; m < MECH_N; m++)
        sum += v->variance.loss_us[m];
    return sum;
}

/* ---- by mechanism */

struct losses {
    struct table t;
    struct unit unit;
    const struct report_view *v;
    double us[MECH_N], all;
    bool common; /* a column of what all ranks lost together */
};

/* One rank waits for nobody: then what its steps took longer. */
static void losses_init(struct losses *l, const struct report_view *v)
{
    const struct view_variance *a = &v->variance;
    *l = (struct losses){.v = v, .all = view_loss_us(v)};
    memcpy(l->us, a->loss_us, sizeof l->us);
    for (size_t i = 0; v->n_ranks == 1 && i < a->n_blames; i++) {
        enum mechanism what = a->blames[i].what;
        l->us[what < MECH_N ? what : MECH_UNKNOWN] += a->blames[i].excess_us;
        l->all += a->blames[i].excess_us;
    }
}

const char *view_mech_phrase(enum mechanism m)
{
    switch (m) {
    case MECH_PREEMPTED:
        return "other processes on the cores";
    case MECH_GPU:
        return "GPUs being slowed down";
    case MECH_GPU_SLOW:
        return "GPUs taking longer, for no reason to be seen";
    case MECH_WORK:
        return "a rank's own work, or a slower core";
    case MECH_STOPPED:
        return "signals that stopped a rank";
    default:
        return mech_phrase(m);
    }
}

static double percent_of(const struct losses *l, double us)
{
    return unit_percent(us, l->v->variance.t_us);
}

static void loss_row(struct losses *l, const char *phrase, double us, double common)
{
    char text[UNITS_TEXT];
    table_cell(&l->t, "%s", phrase);
    cell_us(&l->t, &l->unit, unit_per(us, (double)l->v->variance.steps));
    table_cell(&l->t, "%.1f %%", percent_of(l, us));
    table_cell(&l->t, "%s", format_time(us, text));
    if (l->common)
        table_cell(&l->t, "%.1f %%", percent_of(l, common));
}

static void unknown_row(struct losses *l, const char *phrase)
{
    table_cell(&l->t, "%s", phrase);
    table_cell(&l->t, "unknown");
    for (int i = 0; i < 2 + l->common; i++)
        table_cell(&l->t, "-");
}

/* A kind that virtualization is blamed for: always there, if only as zero or unknown. */
static void kind_row(struct losses *l, enum mech_kind k)
{
    const struct view_variance *a = &l->v->variance;
    double us = 0, common = 0;
    bool unseen = false;
    for (int m = 0; m < MECH_N; m++) {
        if (mech_kind((enum mechanism)m) != k)
            continue;
        us += l->us[m];
        common += a->common_us[m];
        unseen = unseen || a->not_measured >> m & 1;
    }
    if (unseen && us + common <= 0)
        unknown_row(l, mech_kind_phrase(k));
    else
        loss_row(l, mech_kind_phrase(k), us, common);
}

static void mech_rows(struct losses *l)
{
    const struct view_variance *a = &l->v->variance;
    bool done[MECH_N] = {false};
    for (int n = 0; n < MECH_N; n++) {
        int top = -1;
        for (int m = 0; m < MECH_N; m++)
            if (!done[m] && mech_kind((enum mechanism)m) > KIND_NEIGHBOUR &&
                (top < 0 ||
                 l->us[m] + a->common_us[m] > l->us[top] + a->common_us[top]))
                top = m;
        if (top < 0)
            return;
        done[top] = true;
        if (percent_of(l, l->us[top] + a->common_us[top]) >= SHOWN)
            loss_row(l, view_mech_phrase((enum mechanism)top), l->us[top],
                     a->common_us[top]);
    }
}

static void page_losses(struct page *p, const struct report_view *v)
{
    const struct view_variance *a = &v->variance;
    double common = 0, most;
    struct losses l;
    losses_init(&l, v);
    for (int m = 0; m < MECH_N; m++)
        common += a->common_us[m];
    most = unit_per(l.all, (double)a->steps);
    l.unit = unit_for(most > 0 ? most : 1);
    /* Of one rank they are the same. */
    l.common = v->n_ranks > 1 && percent_of(&l, common) >= SHOWN;
    table_init(&l.t, l.common ? "lrrrr" : "lrrr");
    table_cell(&l.t, v->n_ranks > 1 ? "straggler loss by mechanism"
                                    : "longer than usual, by mechanism");
    table_cell(&l.t, "%s a step", l.unit.name);
    table_cell(&l.t, "of step");
    table_cell(&l.t, "in all");
    if (l.common)
        table_cell(&l.t, "all ranks");
    for (int k = 0; k <= KIND_NEIGHBOUR; k++)
        kind_row(&l, (enum mech_kind)k);
    mech_rows(&l);
    if (percent_of(&l, a->small_us) >= SHOWN)
        loss_row(&l, "small differences between ranks", a->small_us, 0);
    loss_row(&l, "all", l.all, common);
    table_print(&l.t, p, 0);
    table_fini(&l.t);
    if (l.common)
        page_wrap(p, "  ",
                  "all ranks: what their steps took longer than usual, all at once; "
                  "nobody waited for another, so it is not in the loss");
}

/* Why a figure is missing. */
static void page_unknown(struct page *p, const struct report_view *v)
{
    uint32_t bits = v->variance.not_measured;
    if (!v->signals)
        page_printf(p, "  unknown: no node said anything of itself during the run\n");
    else if (bits & 1u << MECH_STOLEN)
        page_printf(p,
                    "  unknown: the kernels of the nodes do not tell of stolen time\n");
    if (v->signals && bits & 1u << MECH_MEMORY)
        page_printf(p, "  memory bandwidth was not measured: no node was probed\n");
}

/* ---- who, and when */

static const struct view_rank *rank_of(const struct report_view *v, uint32_t rank)
{
    for (size_t i = 0; i < v->n_ranks; i++)
        if (v->ranks[i].rank == rank)
            return &v->ranks[i];
    return NULL;
}

static void cell_where(struct table *t, const struct report_view *v, uint32_t rank)
{
    const struct view_rank *k = rank_of(v, rank);
    table_cell(t, "%u", rank);
    table_cell(t, "%.40s", k ? view_node_name(v, k->node) : "?");
}

static int compare_spell(const void *a, const void *b)
{
    const struct view_spell *x = *(const struct view_spell *const *)a;
    const struct view_spell *y = *(const struct view_spell *const *)b;
    if (x->loss_us != y->loss_us)
        return (x->loss_us < y->loss_us) - (x->loss_us > y->loss_us);
    return (x > y) - (x < y); /* in order of their beginning */
}

static void spell_row(struct table *t, const struct report_view *v,
                      const struct view_spell *s, bool common)
{
    char text[UNITS_TEXT];
    cell_where(t, v, s->rank);
    if (s->over)
        table_cell(t, "%u to %u", s->first_step, s->last_step);
    else
        table_cell(t, "%u on", s->first_step);
    table_cell(t, "%.0f %%", s->percent < 1e6 ? s->percent : 1e6);
    /* None of its steps stood out by itself: by how much, and by what, was not told. */
    bool told = s->steps > 0;
    table_cell(t, "%s",
               told ? format_us(unit_per(s->excess_us, (double)s->steps), text) : "-");
    table_cell(t, "%s", told ? mech_name(s->what) : "-");
    table_cell(t, "%s", told ? format_time(s->loss_us, text) : "-");
    if (common)
        table_cell(t, "%.300s", view_factor(s));
}

static void page_spells(struct page *p, const struct report_view *v)
{
    static const char *const heads[] = {"slow rank", "node", "steps", "slower",
                                        "a step",    "by",   "cost",  "common"};
    const struct view_variance *a = &v->variance;
    const struct view_spell **order = malloc((a->n_spells + 1) * sizeof *order);
    size_t n = a->n_spells < SPELLS_SHOWN ? a->n_spells : SPELLS_SHOWN;
    unsigned long long more;
    bool common = false;
    struct table t;
    if (!order) {
        p->rc = -ENOMEM;
        return;
    }
    for (size_t i = 0; i < a->n_spells; i++)
        order[i] = &a->spells[i];
    qsort(order, a->n_spells, sizeof *order, compare_spell);
    for (size_t i = 0; i < n; i++)
        common = common || order[i]->common[0];
    table_init(&t, common ? "rllrrlrl" : "rllrrlr");
    for (size_t i = 0; i < 7u + common && n > 0; i++)
        table_cell(&t, "%s", heads[i]);
    for (size_t i = 0; i < n; i++)
        spell_row(&t, v, order[i], common);
    page_printf(p, n > 0 ? "\n" : "");
    table_print(&t, p, common ? 7 : 1);
    table_fini(&t);
    free(order);
    more = a->n_spells - n + a->more_spells;
    if (more > 0)
        page_printf(p, "  and %llu more times that a rank was slow\n", more);
}

/* What spells already tell of is not said twice. */
static bool is_told(const struct report_view *v, uint32_t rank, double cost)
{
    double told = 0;
    for (size_t i = 0; i < v->variance.n_spells; i++)
        if (v->variance.spells[i].rank == rank)
            told += v->variance.spells[i].loss_us;
    return told >= 0.8 * cost;
}

static void late_row(struct table *t, const struct report_view *v, uint32_t rank,
                     const struct view_late *late)
{
    char text[UNITS_TEXT];
    cell_where(t, v, rank);
    table_cell(t, "%s", mech_name(late->what));
    table_cell(t, "%llu", (unsigned long long)late->steps);
    table_cell(t, "%u to %u", late->first_step, late->last_step);
    table_cell(t, "%s", format_time(late->loss_us, text));
    table_cell(t, "%.1f %%", unit_percent(late->loss_us, v->variance.t_us));
}

/* Of one rank the first sentence tells all. */
static void page_blames(struct page *p, const struct report_view *v)
{
    static const char *const heads[] = {"late rank", "node", "by",     "times",
                                        "steps",     "cost", "of step"};
    double *cost = view_late_costs(v);
    struct view_late late;
    struct table t;
    size_t n = 0;
    if (!cost) {
        p->rc = -ENOMEM;
        return;
    }
    table_init(&t, "rllrlrr");
    for (size_t i = 0; v->n_ranks > 1 && n < BLAMES_SHOWN && i < BLAMES_TRIED; i++) {
        uint32_t top = 0;
        for (uint32_t k = 1; k < v->n_ranks; k++)
            top = cost[k] > cost[top] ? k : top;
        if (unit_percent(cost[top], v->variance.t_us) < BLAME_MATTERS)
            break;
        bool shown = !is_told(v, top, cost[top]) && view_late(v, top, &late);
        cost[top] = 0;
        if (!shown)
            continue;
        for (size_t k = 0; k < sizeof heads / sizeof *heads && n == 0; k++)
            table_cell(&t, "%s", heads[k]);
        n++;
        late_row(&t, v, top, &late);
    }
    free(cost);
    page_printf(p, n > 0 ? "\n" : "");
    table_print(&t, p, 1);
    table_fini(&t);
}

void page_variance(struct page *p, const struct report_view *v)
{
    if (!v->variance.known || v->variance.steps == 0) {
        if (v->ask_ranks)
            page_printf(p, "  with %u ranks: unknown, no steps were compared\n",
                        v->ask_ranks);
        return;
    }
    page_printf(p, "\n");
    page_losses(p, v);
    page_unknown(p, v);
    page_spells(p, v);
    page_blames(p, v);
    page_printf(p, "\n");
    page_beyond(p, v);
}
