/* SPDX-License-Identifier: MIT */
/* report_history_json.c - "history" of run.json, both ways:
 *
 *   history   absent in a run of one attempt, or [{attempt, cut_off (its head died:
 *             exit_status says nothing), exit_status, cause (restart.h), sentence, has_steps,
 *             first_step, last_step (ended by all ranks, as the program counts), wall_ms}],
 *             in order, the last one too
 */
#include <errno.h>
#include <jansson.h>
#include <stddef.h>
#include <stdlib.h>

#include "launcher/report_fields_json.h"
#include "launcher/report_history.h"

#define MOST 1000000u

#define A(f) offsetof(struct view_attempt, f)
static const struct field fields[] = {
    {"attempt", FIELD_U32, A(attempt)},         {"cut_off", FIELD_BOOL, A(cut_off)},
    {"exit_status", FIELD_I64, A(exit_status)}, {"cause", FIELD_TEXT, A(cause)},
    {"sentence", FIELD_TEXT, A(sentence)},      {"has_steps", FIELD_BOOL, A(has_steps)},
    {"first_step", FIELD_U64, A(first_step)},   {"last_step", FIELD_U64, A(last_step)},
    {"wall_ms", FIELD_U64, A(wall_ms)},         {0},
};

static int add_row(struct buf *out, const char *before, const struct view_attempt *a)
{
    json_t *o = fields_to_json(fields, a);
    char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
    int rc = text ? buf_printf(out, "%s%s", before, text) : -ENOMEM;
    free(text);
    json_decref(o);
    return rc;
}

int history_to_json(const struct report_view *v, struct buf *out)
{
    if (v->n_history == 0)
        return 0;
    int rc = buf_printf(out, ",\n\"history\": [");
    for (size_t i = 0; i < v->n_history && rc == 0; i++)
        rc = add_row(out, i ? ",\n" : "\n", &v->history[i]);
    return rc ? rc : buf_printf(out, "]");
}

int history_from_json(struct report_view *v, const struct json_t *root, struct err *e)
{
    const json_t *a = json_object_get(root, "history");
    size_t n = json_array_size(a);
    int rc = 0;
    if (!a)
        return 0;
    if (!json_is_array(a) || n > MOST)
        return err_set(e, ERR_PARSE, "\"history\" is not a list, or too long");
    if (!(v->history = calloc(n + 1, sizeof *v->history)))
        return -ENOMEM;
    v->n_history = n; /* before the rows are read: view_fini frees what there is */
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = fields_from_json(fields, json_array_get(a, i), &v->history[i], "history",
                              e);
    return rc;
}
