/* SPDX-License-Identifier: MIT */
/* comparison_choice.c - the part of compare's page about days, money and what to do. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "launcher/tax/comparison.h"
#include "launcher/tax/economics.h"

#define HOUR_US 3600e6

static const char *const vm_is_right = "a VM is right where jobs are short or come in "
                                       "bursts, and where snapshots or MIG slices "
                                       "are wanted";

/* The interval does not hold 0, and it knows how much runs differ. */
static bool is_shown(const struct tax *t)
{
    return t->between && (t->range.low > 0 || t->range.high < 0);
}

/* ---- days and money */

static void page_length(struct page *p, const struct comparison *c)
{
    const struct tax *t = &c->tax;
    const char *a = c->side[0].label, *b = c->side[1].label;
    char x[UNITS_TEXT], y[UNITS_TEXT], text[480], between[160] = "";
    double hours = c->side[0].hours;
    if (!isnan(t->range.low))
        snprintf(between, sizeof between, ", between %.1f and %.1f",
                 tax_days(c->days, t->range.low), tax_days(c->days, t->range.high));
    if (isnan(c->days))
        snprintf(text, sizeof text,
                 "the steps of a run: %s on %s, the same on %s would be %s (--days D)",
                 format_time(hours * HOUR_US, x), a, b,
                 format_time(hours * (1 + t->tau) * HOUR_US, y));
    else
        snprintf(text, sizeof text, "%.1f days on %s are %.1f days on %s%s", c->days, a,
                 tax_days(c->days, t->tau), b, between);
    page_wrap(p, "  ", text);
}

static void page_bill(struct page *p, const struct comparison *c)
{
    double days[2] = {c->days, tax_days(c->days, c->tax.tau)};
    const struct compare_side *b = &c->side[1];
    char amount[UNITS_TEXT], text[480];
    for (int k = 0; k < 2; k++) {
        const struct compare_side *s = &c->side[k];
        if (isnan(c->days) || isnan(s->device_hour) || s->devices == 0)
            continue;
        snprintf(text, sizeof text, "%s: %.1f days of %u %ss at %g an hour are %s %s",
                 s->label, days[k], s->devices, s->ranks ? "rank" : "GPU",
                 s->device_hour,
                 format_amount(days[k] * 24 * s->devices * s->device_hour, amount),
                 c->currency);
        page_wrap(p, "  ", text);
    }
    if (isnan(b->device_hour) || b->devices == 0 || c->tax.tau <= 0)
        return;
    double day = 24 * b->devices * b->device_hour;
    snprintf(text, sizeof text, "of what %s costs a day, the tax is %s %s", b->label,
             format_amount(day - tax_money_fast(day, c->tax.tau), amount), c->currency);
    page_wrap(p, "  ", text);
}

void page_price(struct page *p, const struct comparison *c)
{
    const struct tax *t = &c->tax;
    const char *a = c->side[0].label, *b = c->side[1].label;
    char share[UNITS_TEXT], text[480], between[160] = "";
    page_printf(p, is_shown(t) ? "\nWhat it costs\n"
                               : "\nWhat it would cost, were it so\n");
    page_length(p, c);
    if (t->tau > 0)
        page_printf(p, "  at equal prices by the hour, %s of the bill of %s is tax\n",
                    percent_plain(tax_share(t->tau), share), b);
    if (!isnan(t->range.low))
        snprintf(between, sizeof between, " (%.2f to %.2f)",
                 tax_break_even(t->range.low), tax_break_even(t->range.high));
    snprintf(text, sizeof text,
             "break-even: %s may cost %.2f times as much by the hour as %s%s", a,
             tax_break_even(t->tau), b, between);
    page_wrap(p, "  ", text);
    page_bill(p, c);
}

/* ---- the questions */

static void ask_length(struct table *t, const struct comparison *c)
{
    char hours[UNITS_TEXT], lost[UNITS_TEXT];
    double h = isnan(c->days) ? c->side[0].hours : c->days * 24;
    bool loses = is_shown(&c->tax) && c->tax.tau > 0;
    table_cell(t, "longer than 72 h?");
    format_time(h * HOUR_US, hours);
    format_time(h * fmax(c->tax.tau, 0) * HOUR_US, lost);
    if (isnan(c->days))
        table_cell(t, "the runs: %s (%s); the job: not given (--days)",
                   c->decision.is_long == ANSWER_YES ? "yes" : "no", hours);
    else
        table_cell(t, "%s (%s)%s%s", c->decision.is_long == ANSWER_YES ? "yes" : "no",
                   hours, loses ? ": it would lose " : "", loses ? lost : "");
}

static void ask_waiting(struct table *t, const struct comparison *c)
{
    char share[UNITS_TEXT];
    table_cell(t, "in blocking collectives?");
    if (c->decision.is_tight == ANSWER_UNKNOWN)
        table_cell(t, "not known");
    else
        table_cell(t, "%s of the step of %s, %zu ranks: %s",
                   percent_plain(c->side[1].waiting, share), c->side[1].label,
                   c->side[1].runs[0].view.n_ranks,
                   c->decision.is_tight == ANSWER_YES
                       ? "one late rank holds up all"
                       : "little, variance of single ranks costs little");
}

static void ask_share(struct table *t, const struct comparison *c)
{
    char share[UNITS_TEXT], of_all[UNITS_TEXT];
    table_cell(t, "GPU share of the cost?");
    if (isnan(c->gpu_share))
        table_cell(t, "not given (--gpu-share)");
    else
        table_cell(
            t, "%s: the tax is %s of the whole cost",
            percent_plain(c->gpu_share, share),
            percent_plain(c->gpu_share * tax_share(fmax(c->tax.tau, 0)), of_all));
}

static void ask_price(struct table *t, const struct comparison *c)
{
    table_cell(t, "price by the hour?");
    if (isnan(c->price_ratio))
        table_cell(t, isnan(c->side[0].device_hour) || isnan(c->side[1].device_hour)
                          ? "not given (--price, --price-ratio): equal"
                          : "the same on both sides");
    else
        table_cell(t, "%s costs %.2f times as much as %s; break-even at %.2f",
                   c->side[0].label, c->price_ratio, c->side[1].label,
                   tax_break_even(c->tax.tau));
}

static void ask_size(struct table *t, const struct comparison *c)
{
    const struct tax_range *r = &c->tax.range;
    char tau[UNITS_TEXT], low[UNITS_TEXT], high[UNITS_TEXT];
    table_cell(t, "measured here");
    if (isnan(r->low))
        table_cell(t, "%s, with no interval", percent_signed(c->tax.tau, tau));
    else
        table_cell(t, "%s, between %s and %s%s", percent_signed(c->tax.tau, tau),
                   percent_signed(r->low, low), percent_signed(r->high, high),
                   c->tax.between ? "" : ", without the variance between runs");
    table_cell(t, "said in articles");
    table_cell(t, "%.0f to %.0f %%: not measured here", 100 * DECIDE_SAID_LOW,
               100 * DECIDE_SAID_HIGH);
}

/* ---- the verdict */

static void say_fine(const struct comparison *c, const char *limit, char *out,
                     size_t len)
{
    char high[UNITS_TEXT];
    snprintf(out, len, "a VM is fine here, if %s is one: the tax is below %s, and %s",
             c->side[1].label, percent_plain(c->tax.range.high, high), limit);
}

static void say_matters(const struct comparison *c, const char *limit, char *out,
                        size_t len)
{
    bool is_short = !isnan(c->days) && c->decision.is_long == ANSWER_NO;
    snprintf(out, len, "take %s: the tax of %s is more than %s%s%s", c->side[0].label,
             c->side[1].label, limit,
             is_short ? ". But the job is short and loses little in all: " : "",
             is_short ? vm_is_right : "");
}

static void say_verdict(const struct comparison *c, char *out, size_t len)
{
    const struct decision *d = &c->decision;
    const char *a = c->side[0].label, *b = c->side[1].label;
    char limit[160], share[UNITS_TEXT];
    percent_plain(d->matters, share);
    if (isnan(c->price_ratio))
        snprintf(limit, sizeof limit, "%s, below which it is taken not to matter",
                 share);
    else
        snprintf(limit, sizeof limit,
                 "%s, at which both cost the same for the same work", share);
    switch (d->b_is_fine && d->verdict != VERDICT_FASTER ? VERDICT_NONE : d->verdict) {
    case VERDICT_NONE:
    case VERDICT_SMALL:
        snprintf(limit, sizeof limit, "it would matter from %s on", share);
        say_fine(c, limit, out, len);
        break;
    case VERDICT_MATTERS:
        say_matters(c, limit, out, len);
        break;
    case VERDICT_UNSURE:
        snprintf(out, len,
                 "not decided: no tax is shown, and one that matters (%s) would not "
                 "have been "
                 "seen; more runs make the interval narrower",
                 share);
        break;
    case VERDICT_MAYBE:
        snprintf(out, len,
                 "not decided: there is a tax, and its interval lies on both sides of "
                 "%s; more "
                 "runs make it narrower",
                 limit);
        break;
    case VERDICT_FASTER:
        snprintf(out, len,
                 d->b_is_fine ? "take %s: it is the faster one"
                              : "%s is the faster one, but %s is cheaper by more",
                 b, a);
        break;
    default:
        snprintf(out, len,
                 "not decided: one run does not say how much runs differ. Make three "
                 "or more "
                 "on each side, best in turns (A B A B ...), and give --paired");
    }
}

void page_choice(struct page *p, const struct comparison *c)
{
    struct table t;
    char text[640];
    page_printf(p, "\nDecision\n");
    table_init(&t, "ll");
    ask_size(&t, c);
    ask_length(&t, c);
    ask_waiting(&t, c);
    ask_share(&t, c);
    ask_price(&t, c);
    table_print(&t, p, 1);
    table_fini(&t);
    say_verdict(c, text, sizeof text);
    page_wrap(p, "  verdict: ", text);
    if (c->decision.b_is_fine)
        page_wrap(p, "           ", vm_is_right);
}
