/* SPDX-License-Identifier: MIT */
/* comparison_page.c - the page of compare: the answer in one sentence, what speaks against
 * it, the two sides, of what the difference is made; then comparison_choice.c. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "launcher/tax/comparison.h"

#define ROW_MATTERS 0.0005 /* of the step time, in either side or the difference */

static double no_minus_zero(double percent)
{
    return fabs(percent) < 0.05 ? 0 : percent;
}

/* Of a run that was edited, or of two jobs that have nothing to do with each other: some
 * digits that fit in a column. */
static bool is_absurd(double share)
{
    return fabs(share) >= 1e4;
}

const char *percent_signed(double share, char out[UNITS_TEXT])
{
    snprintf(out, UNITS_TEXT,
             isnan(share)       ? "?"
             : is_absurd(share) ? "%+.2g %%"
                                : "%+.1f %%",
             no_minus_zero(100 * share));
    return out;
}

const char *percent_plain(double share, char out[UNITS_TEXT])
{
    snprintf(out, UNITS_TEXT,
             isnan(share)       ? "?"
             : is_absurd(share) ? "%.2g %%"
                                : "%.1f %%",
             no_minus_zero(100 * share));
    return out;
}

/* ---- the answer */

static void page_answer(struct page *p, const struct comparison *c)
{
    const struct tax *t = &c->tax;
    const char *a = c->side[0].label, *b = c->side[1].label;
    char tau[UNITS_TEXT], low[UNITS_TEXT], high[UNITS_TEXT], text[640];
    percent_signed(t->range.low, low);
    percent_signed(t->range.high, high);
    if (c->decision.verdict == VERDICT_UNKNOWN)
        snprintf(
            text, sizeof text,
            "between-run variance unknown: the step of %s takes %s against %s, and "
            "with "
            "one run on a side nobody can tell a tax from the difference of two runs",
            b, percent_signed(t->tau, tau), a);
    else if (t->range.low <= 0 && t->range.high >= 0)
        snprintf(text, sizeof text,
                 "no tax can be shown: between %s and %s (%s against %s, 95 %%)", low,
                 high, b, a);
    else if (t->range.high < 0)
        snprintf(text, sizeof text,
                 "no tax: %s is faster than %s, %s, between %s and %s (95 %%)", b, a,
                 percent_signed(t->tau, tau), low, high);
    else
        snprintf(
            text, sizeof text,
            "a tax of %s: %s takes that much longer for a step than %s; between %s and "
            "%s (95 %%)",
            percent_plain(t->tau, tau), b, a, percent_plain(t->range.low, low),
            percent_plain(t->range.high, high));
    page_printf(p, "\n");
    page_wrap(p, "", text);
    if (c->decision.verdict == VERDICT_UNKNOWN && !isnan(t->range.low))
        page_printf(
            p,
            "  by the spread of the steps within the runs alone: between %s and "
            "%s\n",
            low, high);
    page_printf(p, "  of the usual step (the median): %s\n",
                percent_signed(t->usual_tau, tau));
}

static void page_warnings(struct page *p, const struct comparison *c)
{
    if (c->n_warnings == 0)
        return;
    page_printf(p,
                "\nWARNING: the two sides differ in more than where they ran, or their "
                "runs are not whole\n");
    for (size_t i = 0; i < c->n_warnings; i++)
        page_wrap(p, "  - ", c->warnings[i]);
}

/* ---- the sides */

static void cell_steps(struct table *t, const struct compare_side *s)
{
    if (s->least_steps == s->most_steps)
        table_cell(t, "%llu", (unsigned long long)s->least_steps);
    else
        table_cell(t, "%llu-%llu", (unsigned long long)s->least_steps,
                   (unsigned long long)s->most_steps);
}

static void side_row(struct table *t, const struct compare_side *s, double us,
                     double spread)
{
    char text[UNITS_TEXT];
    const struct report_view *v = &s->runs[0].view;
    table_cell(t, "%s", s->label);
    table_cell(t, "%s", v->name);
    table_cell(t, "%zu", s->n);
    table_cell(t, "%zu", v->n_ranks);
    table_cell(t, "%zu", v->n_nodes);
    cell_steps(t, s);
    table_cell(t, "%s", format_us(us, text));
    table_cell(t, "%s", isnan(spread) ? "not known" : percent_plain(spread, text));
    table_cell(t, "%s", percent_plain(s->waiting, text));
}

static void page_sides(struct page *p, const struct comparison *c)
{
    static const char *const heads[] = {
        "side",  "job",       "runs",           "ranks",  "nodes",
        "steps", "mean step", "runs differ by", "waiting"};
    struct table t;
    page_printf(p, "\nRuns%s\n", c->tax.paired ? ", in pairs" : "");
    table_init(&t, "llrrrrrrr");
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        table_cell(&t, "%s", heads[i]);
    side_row(&t, &c->side[0], c->tax.a_us, c->tax.spread_a);
    side_row(&t, &c->side[1], c->tax.b_us, c->tax.spread_b);
    table_print(&t, p, 1);
    table_fini(&t);
}

/* ---- of what it is made */

static void part_row(struct table *t, const struct unit *u, const char *name,
                     const struct tax_part *part)
{
    char tau[UNITS_TEXT], low[UNITS_TEXT], high[UNITS_TEXT];
    table_cell(t, "%s", name);
    cell_us(t, u, part->a_us);
    cell_us(t, u, part->b_us);
    table_cell(t, "%s", percent_signed(part->tau, tau));
    if (isnan(part->range.low))
        table_cell(t, "not known");
    else
        table_cell(t, "%s to %s", percent_signed(part->range.low, low),
                   percent_signed(part->range.high, high));
}

static bool part_shows(const struct tax *t, const struct tax_part *part)
{
    double least = ROW_MATTERS * t->a_us;
    return part->a_us > least || part->b_us > least;
}

static void page_part_table(struct page *p, const struct comparison *c)
{
    const struct tax *t = &c->tax;
    struct unit u = unit_for(t->a_us);
    struct tax_part all = {t->a_us, t->b_us, t->tau, t->range};
    struct table table;
    char head[UNITS_TEXT];
    table_init(&table, "lrrrr");
    snprintf(head, sizeof head, "%s a step, lost to", u.name);
    table_cell(&table, "%s", head);
    table_cell(&table, "%s", c->side[0].label);
    table_cell(&table, "%s", c->side[1].label);
    table_cell(&table, "of the step of %s", c->side[0].label);
    table_cell(&table, "between");
    for (int m = 0; m < MECH_N; m++)
        if (part_shows(t, &t->part[m]))
            part_row(&table, &u, mech_phrase((enum mechanism)m), &t->part[m]);
    part_row(&table, &u, "small differences between ranks", &t->small);
    part_row(&table, &u, "base speed: what all ranks share", &t->base);
    part_row(&table, &u, "all", &all);
    table_print(&table, p, 0);
    table_fini(&table);
}

/* What virtualization is said to cost by, of what was measured. */
static void page_kinds(struct page *p, const struct comparison *c)
{
    static const enum mech_kind kinds[] = {KIND_HYPERVISOR, KIND_BANDWIDTH,
                                           KIND_NEIGHBOUR};
    char text[400] = "what virtualization is said to cost by: ", tau[UNITS_TEXT];
    for (size_t i = 0; i < 3; i++) {
        bool unseen = true; /* all of them; what one of several is, is said below */
        double sum = 0;
        size_t at = strlen(text);
        for (int m = 0; m < MECH_N; m++) {
            if (mech_kind((enum mechanism)m) != kinds[i])
                continue;
            sum += c->tax.part[m].tau;
            unseen = unseen && c->not_measured >> m & 1;
        }
        percent_signed(sum, tau);
        snprintf(text + at, sizeof text - at, "%s%s %s", i ? ", " : "",
                 mech_kind_phrase(kinds[i]), unseen ? "unknown" : tau);
    }
    page_wrap(p, "  ", text);
}

static void page_unmeasured(struct page *p, const struct comparison *c)
{
    static const char lead[] =
        "not measured in some run, and there part of other rows: ";
    char text[600];
    snprintf(text, sizeof text, "%s", lead);
    for (int m = 0; m < MECH_N; m++) {
        size_t at = strlen(text);
        if (c->not_measured >> m & 1)
            snprintf(text + at, sizeof text - at, "%s%s",
                     text[at - 1] == ' ' ? "" : ", ", mech_phrase((enum mechanism)m));
    }
    if (c->not_measured)
        page_wrap(p, "  ", text);
}

static void page_taken(struct page *p, const struct comparison *c)
{
    char a[UNITS_TEXT], b[UNITS_TEXT];
    if (isnan(c->side[0].taken) || isnan(c->side[1].taken))
        return;
    page_printf(
        p,
        "  what others were seen to take of the step, a lower bound: %s of %s, %s of "
        "%s\n",
        percent_plain(c->side[0].taken, a), c->side[0].label,
        percent_plain(c->side[1].taken, b), c->side[1].label);
}

static void page_parts(struct page *p, const struct comparison *c)
{
    page_printf(p, "\nWhere it comes from\n");
    if (!c->tax.split) {
        page_printf(p, "  not known: some run has nothing of where its time went\n");
        return;
    }
    page_part_table(p, c);
    page_kinds(p, c);
    page_unmeasured(p, c);
    page_taken(p, c);
}

static void page_how(struct page *p, const struct comparison *c)
{
    const struct tax *t = &c->tax;
    char text[480];
    if (!t->between)
        return;
    snprintf(text, sizeof text,
             "mean over the runs of a side of their mean step time: bursts are paid "
             "for too. 95 "
             "%% interval: %s resampled%s, with Student's t of %.1f degrees of freedom",
             t->paired ? "pairs of runs" : "runs",
             t->within ? ", then blocks of their steps"
                       : "; the course of some is not known",
             t->df);
    page_printf(p, "\nHow\n");
    page_wrap(p, "  ", text);
}

int comparison_page(const struct comparison *c, struct buf *out)
{
    struct page p = {.out = out};
    page_answer(&p, c);
    page_warnings(&p, c);
    page_sides(&p, c);
    page_parts(&p, c);
    page_price(&p, c);
    page_choice(&p, c);
    page_how(&p, c);
    return p.rc;
}
