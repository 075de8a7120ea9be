/* SPDX-License-Identifier: MIT */
/* report_gpus.c - what the GPUs did over the run: one line of all, and a row for each that
 * was slowed down or had errors. A part of report. What a GPU does not say is left out. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/report_table.h"
#include "launcher/report_units.h"
#include "launcher/report_view.h"

#define ROWS_SHOWN   16u
#define COLUMNS      8u
#define FAULTS_SHOWN 16u
#define SLOWED       0.01 /* of its time: less is no row */
#define WORDS        200

/* ---- the copy */

/* run.json takes amounts; a mean is none of nothing. */
static void keep(struct view_gpu *to, const struct signals_gpu *from, uint32_t node)
{
    to->node = node;
    to->s = *from;
    to->s.uuid = NULL;
}

int view_copy_gpus(struct report_view *v, const struct summary *s)
{
    size_t n = 0;
    for (size_t i = 0; s->signals && i < s->n_nodes; i++)
        n += signals_n_gpus(s->signals, (uint32_t)i);
    if (!(v->gpus = calloc(n + 1, sizeof *v->gpus)))
        return -ENOMEM;
    for (size_t i = 0; s->signals && i < s->n_nodes; i++) {
        for (size_t k = 0; k < signals_n_gpus(s->signals, (uint32_t)i); k++) {
            struct signals_gpu g;
            signals_gpu(s->signals, (uint32_t)i, k, &g);
            keep(&v->gpus[v->n_gpus], &g, (uint32_t)i);
            if (!(v->gpus[v->n_gpus++].uuid = view_text(g.uuid)))
                return -ENOMEM;
        }
    }
    return 0;
}

int view_copy_faults(struct report_view *v, const struct summary *s)
{
    if (!(v->faults = calloc(s->n_faults + 1, sizeof *v->faults)))
        return -ENOMEM;
    for (size_t i = 0; i < s->n_faults; i++) {
        const struct gpufault *from = &s->faults[i];
        struct view_fault *f = &v->faults[v->n_faults++];
        *f = (struct view_fault){.node = from->node,
                                 .xid = from->xid,
                                 .n = from->n,
                                 .bus = view_text(from->bus),
                                 .whose = view_text(from->whose),
                                 .text = view_text(from->text)};
        if (!f->bus || !f->whose || !f->text)
            return -ENOMEM;
    }
    return 0;
}

void view_free_gpus(struct report_view *v)
{
    for (size_t i = 0; v->faults && i < v->n_faults; i++) {
        free(v->faults[i].bus);
        free(v->faults[i].whose);
        free(v->faults[i].text);
    }
    free(v->faults);
    v->faults = NULL;
    v->n_faults = 0;
    for (size_t i = 0; v->gpus && i < v->n_gpus; i++)
        free(v->gpus[i].uuid);
    free(v->gpus);
    v->gpus = NULL;
    v->n_gpus = 0;
}

/* ---- words: those that matter, joined */

struct words {
    char text[WORDS];
    size_t len;
};

static void add_word(struct words *w, const char *text)
{
    int n = snprintf(w->text + w->len, sizeof w->text - w->len, "%s%s",
                     w->len > 0 ? ", " : "", text);
    w->len += n > 0 && (size_t)n < sizeof w->text - w->len ? (size_t)n : 0;
    w->text[w->len] = '\0';
}

struct slowing {
    const char *name;
    double us;
    uint32_t reason;
};
#define SLOWINGS 6

static void slowings(const struct signals_gpu *g, struct slowing ret[SLOWINGS])
{
    const struct slowing all[SLOWINGS] = {
        {"power cap", g->power_us, GPU_REASON_POWER},
        {"heat", g->heat_us, GPU_REASON_HEAT},
        {"power brake", g->brake_us, GPU_REASON_BRAKE},
        {"sync boost", g->sync_us, GPU_REASON_SYNC},
        {"board limit", g->board_us, GPU_REASON_HARDWARE},
        {"reliability", g->reliability_us, 0},
    };
    memcpy(ret, all, sizeof all);
}

/* "power cap 41.2 s, heat (seen)": the latter where there is no counter of its time. */
static void add_slowings(struct words *w, const struct signals_gpu *g)
{
    struct slowing all[SLOWINGS];
    slowings(g, all);
    for (size_t i = 0; i < SLOWINGS; i++) {
        char text[96], time[UNITS_TEXT];
        bool counted = !isnan(all[i].us);
        if (counted && all[i].us < SLOWED * g->seconds * 1e6)
            continue;
        if (!counted && !(g->reasons & all[i].reason))
            continue;
        (void)snprintf(text, sizeof text, "%s %s", all[i].name,
                       counted ? format_time(all[i].us, time) : "(seen)");
        if (!counted || all[i].us > 0)
            add_word(w, text);
    }
}

static void add_errors(struct words *w, const struct signals_gpu *g)
{
    const struct {
        double n;
        const char *one, *many;
    } all[] = {{g->ecc_errors, "uncorrected ECC error", "uncorrected ECC errors"},
               {g->ecc_corrected, "corrected ECC error", "corrected ECC errors"},
               {g->remapped_rows, "row remapped", "rows remapped"},
               {g->pcie_replays, "PCIe replay", "PCIe replays"},
               {g->nvlink_errors, "NVLink error", "NVLink errors"}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char text[96];
        if (!(all[i].n > 0)) /* NAN neither */
            continue;
        (void)snprintf(text, sizeof text, "%.0f %s", all[i].n,
                       all[i].n > 1 ? all[i].many : all[i].one);
        add_word(w, text);
    }
}

/* ---- one line of all */

struct spread {
    double sum, n, most, least;
};

static void spread_add(struct spread *s, double value)
{
    if (isnan(value))
        return;
    s->most = s->n > 0 ? fmax(s->most, value) : value;
    s->least = s->n > 0 ? fmin(s->least, value) : value;
    s->sum += value;
    s->n++;
}

static void page_all_gpus(struct page *p, const struct report_view *v)
{
    struct spread watts = {0}, most_watts = {0}, heat = {0}, most_heat = {0};
    struct spread memory = {0}, mhz = {0}, max_mhz = {0};
    double joules = 0;
    char text[400], energy[UNITS_TEXT];
    for (size_t i = 0; i < v->n_gpus; i++) {
        const struct signals_gpu *g = &v->gpus[i].s;
        spread_add(&watts, g->watts);
        spread_add(&most_watts, g->watts_most);
        spread_add(&heat, g->celsius);
        spread_add(&most_heat, g->celsius_most);
        spread_add(&memory, g->mem_celsius_most);
        spread_add(&mhz, g->sm_mhz_least);
        spread_add(&max_mhz, g->sm_max_mhz);
        joules += isnan(g->watts) ? 0 : g->watts * g->seconds;
    }
    int n =
        snprintf(text, sizeof text, "%zu GPU%s", v->n_gpus, v->n_gpus == 1 ? "" : "s");
    size_t at = (size_t)n;
    if (watts.n > 0)
        at += (size_t)snprintf(
            text + at, sizeof text - at, "; %.0f W on average, %s kWh together",
            watts.sum / watts.n, format_amount(joules / 3.6e6, energy));
    if (most_watts.n > 0)
        at += (size_t)snprintf(text + at, sizeof text - at, "; %.0f W at most",
                               most_watts.most);
    if (heat.n > 0)
        at += (size_t)snprintf(text + at, sizeof text - at,
                               "; %.0f \xc2\xb0"
                               "C on average, %.0f at most",
                               heat.sum / heat.n, most_heat.most);
    if (memory.n > 0)
        at += (size_t)snprintf(text + at, sizeof text - at, " (memory %.0f)",
                               memory.most);
    if (mhz.n > 0)
        at += (size_t)snprintf(text + at, sizeof text - at,
                               "; SM clock at least %.0f MHz", mhz.least);
    if (mhz.n > 0 && max_mhz.n > 0)
        (void)snprintf(text + at, sizeof text - at, " of %.0f", max_mhz.most);
    page_wrap(p, "  ", text);
}

/* ---- a row for each with something to say */

/* "3", "3, 4": whose GPU it is, by what they asked for; "-": nobody's. */
static void cell_gpu_ranks(struct table *t, const struct report_view *v,
                           const char *uuid)
{
    struct words w = {.len = 0};
    for (size_t i = 0; i < v->n_ranks; i++) {
        const struct binding *b = v->ranks[i].binding;
        bool has = false;
        for (size_t k = 0; b && k < b->n_gpus; k++)
            has = has || strcmp(b->gpus[k], uuid) == 0;
        char text[16];
        (void)snprintf(text, sizeof text, "%u", v->ranks[i].rank);
        if (has && w.len < 16)
            add_word(&w, text);
    }
    table_cell(t, "%s", w.len > 0 ? w.text : "-");
}

static void cell_number(struct table *t, double value)
{
    if (isnan(value))
        table_cell(t, "-");
    else
        table_cell(t, "%.0f", value);
}

static void gpu_row(struct table *t, const struct report_view *v,
                    const struct view_gpu *g, const char *text)
{
    table_cell(t, "%.40s", view_node_name(v, g->node));
    table_cell(t, "%.12s", g->uuid);
    cell_gpu_ranks(t, v, g->uuid);
    cell_number(t, g->s.watts);
    cell_number(t, g->s.watts_most);
    cell_number(t, g->s.celsius_most);
    cell_number(t, g->s.sm_mhz_least);
    table_cell(t, "%s", text);
}

/* ---- errors that the kernels told of */

static void page_fault(struct page *p, const struct report_view *v,
                       const struct view_fault *f)
{
    struct gpufault g = {.xid = f->xid};
    char text[500], line[600];
    (void)snprintf(g.bus, sizeof g.bus, "%s", f->bus);
    (void)snprintf(g.whose, sizeof g.whose, "%s", f->whose);
    (void)snprintf(g.text, sizeof g.text, "%s", f->text);
    gpufault_sentence(&g, view_node_name(v, f->node), text, sizeof text);
    (void)snprintf(line, sizeof line, "%s; %llu time%s", text, (unsigned long long)f->n,
                   f->n == 1 ? "" : "s");
    page_wrap(p, "  ", line);
}

static void page_faults(struct page *p, const struct report_view *v)
{
    for (size_t i = 0; i < v->n_faults && i < FAULTS_SHOWN; i++)
        page_fault(p, v, &v->faults[i]);
    if (v->n_faults > FAULTS_SHOWN)
        page_printf(p, "  and %zu more kinds of errors: see \"faults\" in run.json\n",
                    v->n_faults - FAULTS_SHOWN);
}

static void page_gpu_table(struct page *p, const struct report_view *v)
{
    static const char *const heads[COLUMNS] = {
        "node", "GPU", "rank", "W", "W max", "\302\260C max", "MHz min", "what"};
    struct table t;
    size_t n = 0;
    table_init(&t, "lllrrrrl");
    for (size_t i = 0; i < v->n_gpus; i++) {
        struct words slow = {.len = 0}, errors = {.len = 0};
        add_slowings(&slow, &v->gpus[i].s);
        add_errors(&errors, &v->gpus[i].s);
        if (slow.len + errors.len == 0 || n++ >= ROWS_SHOWN)
            continue;
        for (size_t k = 0; n == 1 && k < COLUMNS; k++)
            table_cell(&t, "%s", heads[k]);
        gpu_row(&t, v, &v->gpus[i], slow.len > 0 ? slow.text : errors.text);
        for (size_t k = 1; slow.len > 0 && errors.len > 0 && k < COLUMNS; k++)
            table_cell(&t, "%s", "");
        if (slow.len > 0 && errors.len > 0)
            table_cell(&t, "%s", errors.text);
    }
    table_print(&t, p, 7);
    table_fini(&t);
    if (n > ROWS_SHOWN)
        page_printf(p, "  and %zu more: see \"gpus\" in run.json\n", n - ROWS_SHOWN);
}

void page_gpus(struct page *p, const struct report_view *v)
{
    if (v->n_gpus + v->n_faults > 0)
        page_printf(p, "\nGPUs\n");
    if (v->n_gpus > 0)
        page_all_gpus(p, v);
    page_faults(p, v);
    page_gpu_table(p, v);
}
