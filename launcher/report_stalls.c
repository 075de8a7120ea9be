/* SPDX-License-Identifier: MIT */
/* report_stalls.c - the times in which no step ended: in the report, below where the time
 * went, and in run.json. A part of report and of report_json. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "launcher/report_fields_json.h"
#include "launcher/report_table.h"
#include "launcher/report_view.h"
#include "proto/base/clock.h"

#define SHOWN 3u

int view_copy_stalls(struct report_view *v, const struct summary *s)
{
    if (!(v->stalls = calloc(s->n_stalls + 1, sizeof *v->stalls)))
        return -ENOMEM;
    for (size_t i = 0; i < s->n_stalls; i++) {
        const struct summary_stall *from = &s->stalls[i];
        struct view_stall *k = &v->stalls[v->n_stalls++];
        *k = (struct view_stall){.attempt = from->attempt,
                                 .number = from->number,
                                 .step = from->step,
                                 .from_ms = from->from_ms,
                                 .ms = from->ms,
                                 .over = from->over,
                                 .ranks = view_text(from->ranks ? from->ranks : ""),
                                 .text = view_text(from->text ? from->text : "")};
        if (!k->ranks || !k->text)
            return -ENOMEM;
    }
    return 0;
}

void view_free_stalls(struct report_view *v)
{
    for (size_t i = 0; v->stalls && i < v->n_stalls; i++) {
        free(v->stalls[i].ranks);
        free(v->stalls[i].text);
    }
    free(v->stalls);
    v->stalls = NULL;
    v->n_stalls = 0;
}

/* ---- run.json ---- */

#define S(f) offsetof(struct view_stall, f)
static const struct field fields[] = {
    {"attempt", FIELD_U32, S(attempt)},
    {"number", FIELD_U32, S(number)},
    {"step", FIELD_U32, S(step)},
    {"from_ms", FIELD_U64, S(from_ms)},
    {"ms", FIELD_U64, S(ms)},
    {"over", FIELD_BOOL, S(over)},
    {"ranks", FIELD_TEXT, S(ranks)},
    {"text", FIELD_TEXT, S(text)},
    {0},
};
static const struct field_list list = {"stalls", fields, sizeof(struct view_stall)};

int stalls_to_json(const struct report_view *v, struct buf *out)
{
    return fields_list_to_json(&list, v->stalls, v->n_stalls, out);
}

int stalls_from_json(struct report_view *v, const struct json_t *root, struct err *e)
{
    void *found = NULL;
    int rc = fields_list_from_json(&list, root, &found, &v->n_stalls, e);
    v->stalls = found;
    return rc;
}

/* ---- the report ---- */

void page_stalls(struct page *p, const struct report_view *v)
{
    char took[24], text[700];
    for (size_t i = 0; i < v->n_stalls && i < SHOWN; i++) {
        const struct view_stall *k = &v->stalls[i];
        (void)snprintf(text, sizeof text, "no step for %s after step %u%s%s%.512s",
                       clock_format_duration(k->ms, took, sizeof took), k->step,
                       k->over ? "" : ", to the end", k->text[0] ? ": " : "", k->text);
        page_wrap(p, "  ", text);
    }
    if (v->n_stalls > SHOWN)
        page_printf(p, "  and %zu more times: see \"stalls\" in run.json\n",
                    v->n_stalls - SHOWN);
}
