/* SPDX-License-Identifier: MIT */
/* comparison_json.c - the comparison as one JSON object. Keys are added, never renamed or
 * removed; null is what is not known.
 *
 *   schema    1
 *   tau       t(B) / t(A) - 1: {value, low, high (95 %), usual (of the median step),
 *             between (the variance between runs is in it; false: one run on a side, and
 *             no tax may be called), within (that of steps is), paired, df}
 *   a, b      {label, job, runs [{path, id, steps}], ranks, nodes, step_us (mean over runs),
 *             spread (of runs, share), waiting, taken (shares of the step), devices,
 *             devices_are_ranks, device_hour}
 *   parts     null when not known, or {<mechanism>: {a_us, b_us (a step), tau, low, high}},
 *             with "small differences" and "base speed", which sum up to tau
 *   not_measured  [mechanism], in some run
 *   economics {share (of B's bill), break_even, days_a, days_b, days_b_low, days_b_high,
 *             price_ratio, gpu_share, currency}
 *   decision  {verdict ("unknown", "none", "unsure", "small", "maybe", "matters",
 *             "faster"), matters (tax from which on it does; null: none), b_is_fine,
 *             longer_than_72_h, waiting (true, false, null)}
 *   warnings  [text]: why they may not be compared
 */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/tax/comparison.h"
#include "launcher/tax/economics.h"

static json_t *number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

static json_t *count(uint64_t v)
{
    return json_integer(v > INT64_MAX ? INT64_MAX : (json_int_t)v);
}

static json_t *answer(enum answer a)
{
    return a == ANSWER_UNKNOWN ? json_null() : json_boolean(a == ANSWER_YES);
}

static json_t *tau_of(const struct tax *t)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:b, s:b, s:b, s:o}", "value",
                     number(t->tau), "low", number(t->range.low), "high",
                     number(t->range.high), "usual", number(t->usual_tau), "between",
                     t->between, "within", t->within, "paired", t->paired, "df",
                     number(t->df));
}

static json_t *runs_of(const struct compare_side *s)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < s->n; i++) {
        const struct compare_run *r = &s->runs[i];
        json_t *o = json_pack("{s:s, s:s, s:o}", "path", r->path, "id", r->view.run_id,
                              "steps", count(r->view.job.closed));
        if (json_array_append_new(list, o) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *side_of(const struct compare_side *s, double us, double spread)
{
    const struct report_view *v = &s->runs[0].view;
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o}",
                     "label", s->label, "job", v->name, "runs", runs_of(s), "ranks",
                     count(v->n_ranks), "nodes", count(v->n_nodes), "step_us",
                     number(us), "spread", number(spread), "waiting",
                     number(s->waiting), "taken", number(s->taken), "devices",
                     s->devices ? count(s->devices) : json_null(), "devices_are_ranks",
                     s->ranks, "device_hour", number(s->device_hour));
}

static int add_part(json_t *o, const char *name, const struct tax_part *p)
{
    return json_object_set_new(
        o, name,
        json_pack("{s:o, s:o, s:o, s:o, s:o}", "a_us", number(p->a_us), "b_us",
                  number(p->b_us), "tau", number(p->tau), "low", number(p->range.low),
                  "high", number(p->range.high)));
}

static json_t *parts_of(const struct tax *t)
{
    json_t *o = t->split ? json_object() : json_null();
    int rc = o ? 0 : -1;
    for (int m = 0; m < MECH_N && t->split && rc == 0; m++)
        rc = add_part(o, mech_name((enum mechanism)m), &t->part[m]);
    if (t->split && rc == 0)
        rc = add_part(o, "small differences", &t->small) |
             add_part(o, "base speed", &t->base);
    if (rc == 0)
        return o;
    json_decref(o);
    return NULL;
}

static json_t *unmeasured_of(const struct comparison *c)
{
    json_t *list = json_array();
    for (int m = 0; list && m < MECH_N; m++)
        if (c->not_measured >> m & 1)
            json_array_append_new(list, json_string(mech_name((enum mechanism)m)));
    return list;
}

static json_t *economics_of(const struct comparison *c)
{
    const struct tax *t = &c->tax;
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s}", "share",
        number(tax_share(t->tau)), "break_even", number(tax_break_even(t->tau)),
        "days_a", number(c->days), "days_b", number(tax_days(c->days, t->tau)),
        "days_b_low", number(tax_days(c->days, t->range.low)), "days_b_high",
        number(tax_days(c->days, t->range.high)), "price_ratio", number(c->price_ratio),
        "gpu_share", number(c->gpu_share), "currency", c->currency);
}

static json_t *decision_of(const struct decision *d)
{
    return json_pack("{s:s, s:o, s:b, s:o, s:o}", "verdict",
                     verdict_kind_name(d->verdict), "matters", number(d->matters),
                     "b_is_fine", d->b_is_fine, "longer_than_72_h", answer(d->is_long),
                     "waiting", answer(d->is_tight));
}

static json_t *warnings_of(const struct comparison *c)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < c->n_warnings; i++)
        json_array_append_new(list, json_string(c->warnings[i]));
    return list;
}

int comparison_json(const struct comparison *c, struct buf *out)
{
    const struct tax *t = &c->tax;
    json_t *o =
        json_pack("{s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "schema", 1, "tau",
                  tau_of(t), "a", side_of(&c->side[0], t->a_us, t->spread_a), "b",
                  side_of(&c->side[1], t->b_us, t->spread_b), "parts", parts_of(t),
                  "not_measured", unmeasured_of(c), "economics", economics_of(c),
                  "decision", decision_of(&c->decision), "warnings", warnings_of(c));
    char *text = o ? json_dumps(o, JSON_INDENT(1) | JSON_REAL_PRECISION(12)) : NULL;
    int rc = text ? buf_add(out, text, strlen(text)) : -ENOMEM;
    rc = rc ? rc : buf_add(out, "\n", 1);
    free(text);
    json_decref(o);
    return rc;
}
