/* SPDX-License-Identifier: MIT */
/* report_ledger.c - the ledger of the run as a table: what steps, start-up and all that is
 * neither took of its time, of its devices' hours and of its price. A part of report. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "launcher/report_table.h"
#include "launcher/report_units.h"
#include "launcher/report_view.h"
#include "proto/base/clock.h"

#define SHOWN     0.05  /* percent: a row below it says nothing */
#define QUEUED_MS 1000u /* a shorter wait is none */

/* Without steps the running phase is one row, and the ledger's words for it would be odd. */
static const char *phrase_of(const struct report_view *v, enum ledger_row r)
{
    return r == LEDGER_OUTSIDE && !v->has_steps ? "the program, which marked no steps"
                                                : ledger_phrase(r);
}

static void row(struct table *t, const struct report_view *v, const char *phrase,
                double us, double all)
{
    const struct cost *c = &v->cost;
    char text[UNITS_TEXT];
    table_cell(t, "%s", phrase);
    table_cell(t, "%s", format_time(us, text));
    table_cell(t, "%.1f %%", unit_percent(us, all));
    if (c->devices > 0)
        table_cell(t, "%.*f", amount_decimals(cost_hours(c, all)), cost_hours(c, us));
    if (c->devices > 0 && c->device_hour > 0)
        table_cell(t, "%.*f", amount_decimals(cost_money(c, all)), cost_money(c, us));
}

static void head(struct table *t, const struct report_view *v)
{
    bool hours = v->cost.devices > 0, money = hours && v->cost.device_hour > 0;
    table_init(t, money ? "lrrrr" : hours ? "lrrr" : "lrr");
    table_cell(t, " ");
    table_cell(t, "time");
    table_cell(t, "share");
    if (hours)
        table_cell(t, "%s", unit_hours(&v->cost));
    if (money)
        table_cell(t, "%s", v->cost.currency);
}

static void page_rows(struct page *p, const struct report_view *v, double all)
{
    struct table t;
    char phrase[80];
    head(&t, v);
    for (int r = 0; r < LEDGER_ROWS; r++) {
        double us = (double)v->ledger.us[r];
        if (unit_percent(us, all) < SHOWN || us <= 0)
            continue;
        snprintf(phrase, sizeof phrase, "%s", phrase_of(v, (enum ledger_row)r));
        if (r == LEDGER_HANG && v->ledger.hangs > 1)
            snprintf(phrase, sizeof phrase, "%s, %llu times",
                     ledger_phrase(LEDGER_HANG), (unsigned long long)v->ledger.hangs);
        row(&t, v, phrase, us, all);
    }
    row(&t, v, "all", all, all);
    table_print(&t, p, 0);
    table_fini(&t);
}

/* Of the start-up what no phase is: agents that are sent and started. */
static uint64_t boot_ms(const struct report_view *v)
{
    uint64_t all = v->ledger.us[LEDGER_START] / 1000;
    for (size_t i = 0; i < v->n_phases && strcmp(v->phases[i].name, "run") != 0; i++)
        all -= v->phases[i].ms < all ? v->phases[i].ms : all;
    return all;
}

/* Start-up by its phases: those that say something. */
static void page_startup(struct page *p, const struct report_view *v)
{
    char text[400] = "", took[UNITS_TEXT];
    uint64_t boot = boot_ms(v);
    if (boot > 0)
        snprintf(text, sizeof text, "boot %s",
                 clock_format_duration(boot, took, sizeof took));
    for (size_t i = 0; i < v->n_phases; i++) {
        size_t at = strlen(text);
        if (strcmp(v->phases[i].name, "run") == 0)
            break;
        if (v->phases[i].ms > 0 && at + 100 < sizeof text)
            snprintf(text + at, sizeof text - at, "%s%.30s %s", at ? ", " : "",
                     v->phases[i].name,
                     clock_format_duration(v->phases[i].ms, took, sizeof took));
    }
    if (text[0])
        page_wrap(p, "  start-up: ", text);
}

/* Of nobody's hours: no node was ours yet. */
static void page_queue(struct page *p, const struct report_view *v)
{
    char took[UNITS_TEXT];
    if (v->queued_ms >= QUEUED_MS)
        page_printf(p, "  before it began it waited %s in Slurm's queue\n",
                    clock_format_duration(v->queued_ms, took, sizeof took));
}

void page_ledger(struct page *p, const struct report_view *v)
{
    double sum = 0, goodput = ledger_goodput(&v->ledger);
    char money[UNITS_TEXT];
    for (int r = 0; r < LEDGER_ROWS; r++)
        sum += (double)v->ledger.us[r];
    if (!v->has_ledger || sum <= 0)
        return;
    page_printf(p, "\nWhere the time went\n");
    page_rows(p, v, sum);
    if (!isnan(goodput))
        page_printf(
            p, "  goodput %.1f %%: the part of the time that was productive steps\n",
            100 * goodput);
    page_stalls(p, v);
    page_startup(p, v);
    page_queue(p, v);
    if (v->cost.devices > 0 && v->cost.device_hour > 0)
        page_printf(
            p, "  %u %s at %s %s an hour%s\n", v->cost.devices, unit_devices(&v->cost),
            format_amount(v->cost.device_hour, money), v->cost.currency,
            v->cost.ranks ? ": the job has no GPU, so a rank counts as one" : "");
    else if (v->cost.devices > 0 && v->cost.ranks)
        page_printf(p, "  the job has no GPU: hours are those of its %u %s\n",
                    v->cost.devices, unit_devices(&v->cost));
}
