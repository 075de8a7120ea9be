/* SPDX-License-Identifier: MIT */
/* report_history.c - how each attempt of a run ended, and how far it came. */
#include "launcher/report_history.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/report_table.h"
#include "proto/base/clock.h"

#define SHOWN 12u /* the last ones */

int view_copy_history(struct report_view *v, const struct summary *s)
{
    if (s->n_history < 2)
        return 0;
    if (!(v->history = calloc(s->n_history, sizeof *v->history)))
        return -ENOMEM;
    for (; v->n_history < s->n_history; v->n_history++) {
        const struct runstate_attempt *a = &s->history[v->n_history];
        struct view_attempt *to = &v->history[v->n_history];
        uint64_t known = a->end_real_ns > a->start_real_ns && a->start_real_ns
                             ? a->end_real_ns - a->start_real_ns
                             : 0;
        *to =
            (struct view_attempt){.attempt = a->attempt,
                                  .cut_off = !a->ended,
                                  .exit_status = a->exit_status,
                                  .has_steps = a->has_step,
                                  .first_step = a->first_step,
                                  .last_step = a->last_step,
                                  .wall_ms = (a->ended ? a->wall_ns : known) / 1000000};
        to->cause = view_text(a->ended ? a->cause : "cut off");
        to->sentence = view_text(a->sentence ? a->sentence : "cut off: its head died");
        if (!to->cause || !to->sentence) {
            v->n_history++;
            return -ENOMEM;
        }
    }
    return 0;
}

void view_free_history(struct report_view *v)
{
    for (size_t i = 0; v->history && i < v->n_history; i++) {
        free(v->history[i].cause);
        free(v->history[i].sentence);
    }
    free(v->history);
    v->history = NULL;
    v->n_history = 0;
}

bool view_has_history(const struct report_view *v)
{
    for (size_t i = 0; i + 1 < v->n_history; i++) {
        if (strcmp(v->history[i].cause, "port") != 0)
            return true;
    }
    return false;
}

static void row(struct table *t, const struct view_attempt *a)
{
    char took[24];
    table_cell(t, "%u", a->attempt);
    if (a->has_steps)
        table_cell(t, "%llu to %llu", (unsigned long long)a->first_step,
                   (unsigned long long)a->last_step);
    else
        table_cell(t, "none");
    table_cell(t, "%s", clock_format_duration(a->wall_ms, took, sizeof took));
    if (a->cut_off)
        table_cell(t, "-");
    else
        table_cell(t, "%lld", (long long)a->exit_status);
    table_cell(t, "%s", a->sentence);
}

void page_history(struct page *p, const struct report_view *v)
{
    static const char *const heads[] = {"attempt", "steps", "time", "status", "end"};
    struct table t;
    if (!view_has_history(v))
        return;
    size_t from = v->n_history > SHOWN ? v->n_history - SHOWN : 0;
    page_printf(p, "\nAttempts\n");
    table_init(&t, "rrrrl");
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        table_cell(&t, "%s", heads[i]);
    for (size_t i = from; i < v->n_history; i++)
        row(&t, &v->history[i]);
    table_print(&t, p, 4);
    table_fini(&t);
    if (from > 0)
        page_printf(p, "  and %zu before them\n", from);
}
