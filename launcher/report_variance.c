/* SPDX-License-Identifier: MIT */
/* report_variance.c - what waiting for the slowest rank cost, by mechanism: first the three
 * by which virtualization is said to cost, each with its figure or why there is none; the
 * times in which a rank was slow; what more ranks like these would lose; and what others
 * took at least. What articles say of it stands beside that as theirs. A part of report. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/report_table.h"
#include "launcher/report_units.h"
#include "launcher/report_view.h"
#include "launcher/variance/amplify.h"

#define SHOWN         0.05 /* percent of the step time: less is no row */
#define SPELLS_SHOWN  10u
#define BLAMES_SHOWN  5u
#define BLAME_MATTERS 0.5 /* percent of the step time */
#define MANY_RANKS    1024u
#define GROWS         1.0 /* percent more: then a larger job is told of unasked */
#define HAS_CAUSE     0.1 /* of the loss: so much by slow ranks is said beside it */

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
        return "other programs on the cores";
    case MECH_GPU:
        return "GPUs being slowed down";
    case MECH_GPU_SLOW:
        return "GPUs taking longer, for no reason to be seen";
    case MECH_WORK:
        return "more work of a rank's own";
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
    l.common = percent_of(&l, common) >= SHOWN;
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
    table_cell(t, "%s", format_us(unit_per(s->excess_us, (double)s->steps), text));
    table_cell(t, "%s", mech_name(s->what));
    table_cell(t, "%s", format_time(s->loss_us, text));
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
static bool is_told(const struct report_view *v, const struct view_blame *b)
{
    double told = 0;
    for (size_t i = 0; i < v->variance.n_spells; i++)
        if (v->variance.spells[i].rank == b->rank)
            told += v->variance.spells[i]
                        .part_us[b->what == MECH_MIXED ? MECH_UNKNOWN : b->what];
    return told >= 0.8 * b->excess_us;
}

static void page_blames(struct page *p, const struct report_view *v)
{
    static const char *const heads[] = {"late rank", "node", "by",     "times",
                                        "steps",     "cost", "of step"};
    const struct view_variance *a = &v->variance;
    struct table t;
    size_t n = 0;
    char text[UNITS_TEXT];
    table_init(&t, "rllrlrr");
    for (size_t i = 0; i < a->n_blames && n < BLAMES_SHOWN; i++) {
        const struct view_blame *b = &a->blames[i];
        if (unit_percent(b->loss_us, a->t_us) < BLAME_MATTERS || is_told(v, b))
            continue;
        for (size_t k = 0; k < sizeof heads / sizeof *heads && n == 0; k++)
            table_cell(&t, "%s", heads[k]);
        n++;
        cell_where(&t, v, b->rank);
        table_cell(&t, "%s", mech_name(b->what));
        table_cell(&t, "%llu", (unsigned long long)b->steps);
        table_cell(&t, "%u to %u", b->first_step, b->last_step);
        table_cell(&t, "%s", format_time(b->loss_us, text));
        table_cell(&t, "%.1f %%", unit_percent(b->loss_us, a->t_us));
    }
    page_printf(p, n > 0 ? "\n" : "");
    table_print(&t, p, 1);
    table_fini(&t);
}

/* ---- beyond this run */

/* What spells are of the loss. A slow rank has a cause of its own, and is no noise of which
 * a larger job has more. */
static double caused_part(const struct report_view *v)
{
    double sum = 0, all = view_loss_us(v);
    for (size_t i = 0; i < v->variance.n_spells; i++)
        sum += v->variance.spells[i].loss_us;
    return all > 0 ? fmin(sum / all, 1) : 0;
}

/* Both as a share of the step time: a loss of l of the median turns 1 - s + s * r out of 1,
 * where s is the share now and r how it grows. */
static void page_amplified(struct page *p, const struct report_view *v)
{
    const struct view_variance *a = &v->variance;
    uint32_t ranks = v->ask_ranks ? v->ask_ranks : MANY_RANKS;
    double s = unit_per(view_loss_us(v), a->t_us), caused = caused_part(v), with;
    struct amplify now, then;
    if (!a->excess.counts || (!v->ask_ranks && v->n_ranks >= MANY_RANKS))
        return;
    amplify_to(&a->excess, v->n_ranks ? (uint32_t)v->n_ranks : 1, &now);
    amplify_to(&a->excess, ranks, &then);
    if (!(now.loss > 0) || !(s > 0 && s < 1)) {
        if (v->ask_ranks)
            page_printf(p, "  with %u ranks: unknown, no rank was ever late here\n",
                        ranks);
        return;
    }
    with = s * then.loss / now.loss;
    with /= 1 - s + with;
    if (!v->ask_ranks && (with - s < GROWS / 100 || caused >= 0.5))
        return;
    page_printf(
        p,
        "  with %u ranks that are like these: straggler loss %.1f %% instead of "
        "%.1f %%%s\n",
        ranks, 100 * with, 100 * s, then.reach < ranks ? ", at least" : "");
    if (then.reach < ranks)
        page_printf(p, "  (the data reach %.0f ranks: what is rarer was not seen)\n",
                    then.reach);
    if (caused >= HAS_CAUSE)
        page_printf(
            p,
            "  (%.0f %% of the loss here was by the slow ranks above: what slows "
            "a rank down need not\n  come more often in a larger job)\n",
            100 * caused);
}

/* ---- virtualization */

/* What exits cost at most: every interrupt one exit, each at the price of the probe. */
static double exit_share(const struct report_view *v, const struct signals_node **ret)
{
    double most = NAN;
    for (size_t i = 0; v->signals && i < v->n_nodes; i++) {
        const struct signals_node *n = &v->signals[i];
        double share = n->exits_per_second * n->exit_ns * 1e-9;
        if (!isnan(share) && !(share <= most)) {
            most = share;
            *ret = n;
        }
    }
    return most;
}

static void page_outside(struct page *p, const struct report_view *v)
{
    const struct view_variance *a = &v->variance;
    const struct signals_node *worst = NULL;
    double left = a->t_us - a->outside_us, share = exit_share(v, &worst);
    double percent = left > 0 ? unit_percent(a->outside_us, left) : 0;
    char text[200];
    snprintf(
        text, sizeof text,
        "others made the steps at least %.1f %% longer (lower bound: only CPU time "
        "and memory bandwidth that were seen to go elsewhere)",
        percent);
    if (percent >= SHOWN)
        page_wrap(p, "  ", text);
    if (worst) {
        snprintf(
            text, sizeof text,
            "exits to a hypervisor for interrupts: at most %.2f %% of a CPU (%.0f a "
            "second and CPU, at %.2f us)",
            100 * share, worst->exits_per_second, worst->exit_ns / 1e3);
        page_wrap(p, "  ", text);
    }
    page_printf(
        p, "  said of virtualization in articles: 15 to 25 %%; not measured here\n");
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
    page_amplified(p, v);
    page_outside(p, v);
}
