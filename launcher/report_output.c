/* SPDX-License-Identifier: MIT */
/* report_output.c - the streams of which not every byte is in the run directory: removed
 * by output_keep, lost on a node, or not written at the head. A part of report. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/report_table.h"
#include "launcher/report_view.h"
#include "proto/base/size.h"

#define OUTPUTS_SHOWN 10u

static int copy_output(struct view_output *to, const struct summary_output *from)
{
    to->rank = from->rank;
    to->is_err = from->is_err;
    to->bytes = from->bytes;
    to->first = from->first;
    to->last = from->last;
    for (unsigned i = 0; i < from->missing.n; i++) {
        const struct outrange *r = &from->missing.r[i];
        struct view_missing *m = &to->missing[to->n_missing++];
        *m = (struct view_missing){.from = r->from, .to = r->to, .bytes = r->bytes};
        m->why = view_text(r->why ? strerror(-r->why) : "the node's space was used up");
        if (!m->why)
            return -ENOMEM;
    }
    return 0;
}

int view_copy_outputs(struct report_view *v, const struct summary *s)
{
    int rc = 0;
    v->rotate_bytes = s->rotate.size;
    v->rotate_keep = s->rotate.keep;
    v->outputs = calloc(s->n_outputs + 1, sizeof *v->outputs);
    if (!v->outputs)
        return -ENOMEM;
    v->n_outputs = s->n_outputs;
    for (size_t i = 0; i < s->n_outputs && rc == 0; i++)
        rc = copy_output(&v->outputs[i], &s->outputs[i]);
    return rc;
}

void view_free_outputs(struct report_view *v)
{
    for (size_t i = 0; v->outputs && i < v->n_outputs; i++) {
        for (size_t k = 0; k < v->outputs[i].n_missing; k++)
            free(v->outputs[i].missing[k].why);
    }
    free(v->outputs);
    v->outputs = NULL;
    v->n_outputs = 0;
}

static void page_output(struct page *p, const struct view_output *o)
{
    char text[400], a[SIZE_TEXT], b[SIZE_TEXT], c[SIZE_TEXT];
    size_t n =
        (size_t)snprintf(text, sizeof text, "rank %u %s: %s", o->rank,
                         o->is_err ? "stderr" : "stdout", size_text(o->bytes, a));
    if (o->last > 0 || o->first < o->bytes)
        n += (size_t)snprintf(text + n, sizeof text - n,
                              ", kept the first %s and the last %s",
                              size_text(o->first, b), size_text(o->last, c));
    uint64_t missing = 0;
    for (size_t i = 0; i < o->n_missing; i++)
        missing += o->missing[i].bytes;
    if (o->n_missing > 0)
        (void)snprintf(text + n, sizeof text - n,
                       "; %s missing%s from byte %llu on: %s", size_text(missing, a),
                       o->n_missing > 1 ? " in several places, first" : "",
                       (unsigned long long)o->missing[0].from, o->missing[0].why);
    page_wrap(p, "  ", text);
}

void page_outputs(struct page *p, const struct report_view *v)
{
    for (size_t i = 0; i < v->n_outputs && i < OUTPUTS_SHOWN; i++)
        page_output(p, &v->outputs[i]);
    if (v->n_outputs > OUTPUTS_SHOWN)
        page_printf(p, "  and %zu more streams are not whole\n",
                    v->n_outputs - OUTPUTS_SHOWN);
}
