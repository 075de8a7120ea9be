/* SPDX-License-Identifier: MIT */
/* report_variance_json.c - see report_variance_json.h. */
#include "launcher/report_variance_json.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/report_fields_json.h"
#include "launcher/report_view.h"
#include "proto/base/limits.h"

#define BLAMES_MOST ((size_t)LIMIT_RANKS * (MECH_N + 1))
#define COST_MOST   1e9 /* a device and hour, as in spec_table.c */

#define A(f) offsetof(struct view_variance, f)
static const struct field variance_fields[] = {
    {"steps", FIELD_U64, A(steps)},
    {"t_us", FIELD_AMOUNT, A(t_us)},
    {"small_us", FIELD_AMOUNT, A(small_us)},
    {"outside_us", FIELD_AMOUNT, A(outside_us)},
    {"more_spells", FIELD_U64, A(more_spells)},
    {0},
};

#define S(f) offsetof(struct view_spell, f)
static const struct field spell_fields[] = {
    {"rank", FIELD_U32, S(rank)},
    {"attempt", FIELD_U32, S(attempt)},
    {"first_step", FIELD_U32, S(first_step)},
    {"last_step", FIELD_U32, S(last_step)},
    {"over", FIELD_BOOL, S(over)},
    {"percent", FIELD_AMOUNT, S(percent)},
    {"what", FIELD_MECH, S(what)},
    {"steps", FIELD_U64, S(steps)},
    {"excess_us", FIELD_AMOUNT, S(excess_us)},
    {"loss_us", FIELD_AMOUNT, S(loss_us)},
    {"common", FIELD_TEXT, S(common)},
    {0},
};

#define B(f) offsetof(struct view_blame, f)
static const struct field blame_fields[] = {
    {"rank", FIELD_U32, B(rank)},
    {"what", FIELD_MECH, B(what)},
    {"steps", FIELD_U64, B(steps)},
    {"first_step", FIELD_U32, B(first_step)},
    {"last_step", FIELD_U32, B(last_step)},
    {"loss_us", FIELD_AMOUNT, B(loss_us)},
    {"excess_us", FIELD_AMOUNT, B(excess_us)},
    {0},
};

#define G(f) offsetof(struct signals_node, f)
static const struct field signals_fields[] = {
    {"seconds", FIELD_U64, G(seconds)},
    {"steal_share", FIELD_MAYBE, G(steal_share)},
    {"exits_per_second", FIELD_MAYBE, G(exits_per_second)},
    {"exit_ns", FIELD_MAYBE, G(exit_ns)},
    {"triad_mbytes", FIELD_MAYBE, G(triad_mbytes)},
    {"triad_lowest_mbytes", FIELD_MAYBE, G(triad_lowest)},
    {"fault_ns", FIELD_MAYBE, G(fault_ns)},
    {"psi_cpu", FIELD_MAYBE, G(psi_cpu)},
    {"psi_memory", FIELD_MAYBE, G(psi_memory)},
    {"psi_io", FIELD_MAYBE, G(psi_io)},
    {"throttled_us", FIELD_MAYBE, G(throttled_us)},
    {"gpu_throttle_us", FIELD_MAYBE, G(gpu_throttle_us)},
    {"link_errors", FIELD_MAYBE, G(link_errors)},
    {0},
};

#define H(f) offsetof(struct hist, f)
static const struct field excess_fields[] = {
    {"count", FIELD_U64, H(count)},
    {"sum", FIELD_U64, H(sum)},
    {"min", FIELD_U64, H(min)},
    {"max", FIELD_U64, H(max)},
    {0},
};

#define C(f) offsetof(struct cost, f)
static const struct field cost_fields[] = {
    {"devices", FIELD_U32, C(devices)},
    {"device_hour", FIELD_AMOUNT, C(device_hour)},
    {0},
};

/* ---- writing */

/* Takes value, and o when it fails. */
static json_t *set(json_t *o, const char *key, json_t *value)
{
    if (o && json_object_set_new(o, key, value) == 0)
        return o;
    if (!o)
        json_decref(value);
    json_decref(o);
    return NULL;
}

/* Takes value, and a when it fails. */
static json_t *append(json_t *a, json_t *value)
{
    if (a && json_array_append_new(a, value) == 0)
        return a;
    if (!a)
        json_decref(value);
    json_decref(a);
    return NULL;
}

/* By the name of the mechanism; `sparse` leaves zeroes out. */
static json_t *parts_to_json(const double part[MECH_N], uint32_t not_measured,
                             bool sparse)
{
    json_t *o = json_object();
    for (int m = 0; o && m < MECH_N; m++) {
        if (sparse && !(part[m] > 0))
            continue;
        o = set(o, mech_name((enum mechanism)m),
                not_measured >> m & 1 ? json_null() : json_real(part[m]));
    }
    return o;
}

static json_t *pair_to_json(uint64_t a, uint64_t b)
{
    json_t *p = append(json_array(), json_integer(fields_int(a)));
    return append(p, json_integer(fields_int(b)));
}

static json_t *excess_to_json(const struct hist *h)
{
    json_t *o, *list = json_array();
    if (!h->counts) {
        json_decref(list);
        return json_null();
    }
    for (size_t i = 0; list && i < h->n_buckets; i++)
        if (h->counts[i] > 0)
            list = append(list, pair_to_json(i, h->counts[i]));
    o = set(fields_to_json(excess_fields, h), "precision", json_integer(h->p));
    return set(o, "buckets", list);
}

static json_t *spells_to_json(const struct view_variance *a)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < a->n_spells; i++) {
        json_t *o = fields_to_json(spell_fields, &a->spells[i]);
        list = append(list,
                      set(o, "part_us", parts_to_json(a->spells[i].part_us, 0, true)));
    }
    return list;
}

static json_t *blames_to_json(const struct view_variance *a)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < a->n_blames; i++)
        list = append(list, fields_to_json(blame_fields, &a->blames[i]));
    return list;
}

static json_t *attribution_to_json(const struct report_view *v)
{
    const struct view_variance *a = &v->variance;
    if (!a->known)
        return json_null();
    json_t *o = fields_to_json(variance_fields, a);
    o = set(o, "loss_us", parts_to_json(a->loss_us, a->not_measured, false));
    o = set(o, "common_us", parts_to_json(a->common_us, a->not_measured, false));
    o = set(o, "blames", blames_to_json(a));
    o = set(o, "spells", spells_to_json(a));
    return set(o, "excess", excess_to_json(&a->excess));
}

static json_t *series_to_json(const struct report_view *v)
{
    json_t *list = json_array(), *o;
    if (!v->series) {
        json_decref(list);
        return json_null();
    }
    for (size_t i = 0; list && i < v->series->n; i++)
        list = append(
            list, pair_to_json(v->series->blocks[i].steps, v->series->blocks[i].t_us));
    o = set(json_object(), "per_block", json_integer(v->series->per_block));
    return set(o, "blocks", list);
}

static json_t *ledger_to_json(const struct report_view *v)
{
    double goodput = ledger_goodput(&v->ledger);
    json_t *rows, *o;
    if (!v->has_ledger)
        return json_null();
    rows = json_object();
    for (int r = 0; r < LEDGER_ROWS; r++)
        rows = set(rows, ledger_name((enum ledger_row)r),
                   json_integer(fields_int(v->ledger.us[r])));
    o = set(json_object(), "rows", rows);
    o = set(o, "hangs", json_integer(fields_int(v->ledger.hangs)));
    return set(o, "goodput", isnan(goodput) ? json_null() : json_real(goodput));
}

static json_t *cost_to_json(const struct report_view *v)
{
    json_t *o;
    if (v->cost.devices == 0)
        return json_null();
    o = fields_to_json(cost_fields, &v->cost);
    o = set(o, "device", json_string(v->cost.ranks ? "rank" : "gpu"));
    return set(o, "currency", json_string(v->cost.currency));
}

static json_t *signals_to_json(const struct report_view *v)
{
    json_t *list = v->signals ? json_array() : json_null();
    for (size_t i = 0; v->signals && list && i < v->n_nodes; i++)
        list = append(list, fields_to_json(signals_fields, &v->signals[i]));
    return list;
}

static int add(struct buf *out, const char *key, json_t *value)
{
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    int rc = text ? buf_printf(out, ",\n\"%s\": ", key) : -ENOMEM;
    rc = rc ? rc : buf_add(out, text, strlen(text));
    free(text);
    json_decref(value);
    return rc;
}

int variance_to_json(const struct report_view *v, struct buf *out)
{
    int rc = add(out, "variance", attribution_to_json(v));
    rc = rc ? rc : add(out, "series", series_to_json(v));
    rc = rc ? rc : add(out, "ledger", ledger_to_json(v));
    rc = rc ? rc : add(out, "cost", cost_to_json(v));
    return rc ? rc : add(out, "signals", signals_to_json(v));
}

/* ---- reading */

static bool is_count(const json_t *v, uint64_t most, uint64_t *ret)
{
    json_int_t i = json_integer_value(v);
    *ret = (uint64_t)i;
    return json_is_integer(v) && i >= 0 && (uint64_t)i <= most;
}

static bool is_pair(const json_t *p, uint64_t most_a, uint64_t most_b, uint64_t *ret_a,
                    uint64_t *ret_b)
{
    return json_array_size(p) == 2 && is_count(json_array_get(p, 0), most_a, ret_a) &&
           is_count(json_array_get(p, 1), most_b, ret_b);
}

/* Null is 0 and a bit in *ret_null; names of other versions' mechanisms are passed over. */
static int parts_from_json(const json_t *o, const char *where, const char *name,
                           double ret[MECH_N], uint32_t *ret_null, struct err *e)
{
    const json_t *parts = json_object_get(o, name);
    if (!json_is_object(parts))
        return fields_bad(e, where, name, "missing or not an object");
    for (int m = 0; m < MECH_N; m++) {
        const json_t *v = json_object_get(parts, mech_name((enum mechanism)m));
        double x = v ? json_number_value(v) : 0;
        if (json_is_null(v))
            *ret_null |= 1u << m;
        else if (v && !(json_is_number(v) && x >= 0 && x <= 1e18))
            return fields_bad(e, name, mech_name((enum mechanism)m),
                              "not a number of 0 to 1e18, nor null");
        ret[m] = x;
    }
    return 0;
}

static int list_of(const json_t *o, const char *where, const char *name, size_t most,
                   const json_t **ret, size_t *ret_n, struct err *e)
{
    *ret = json_object_get(o, name);
    *ret_n = json_array_size(*ret);
    if (!json_is_array(*ret) || *ret_n > most)
        return fields_bad(e, where, name, "missing, not a list, or too long");
    return 0;
}

static int spells_from_json(struct view_variance *a, const json_t *o, struct err *e)
{
    const json_t *list;
    size_t n;
    uint32_t unused = 0;
    int rc = list_of(o, "variance", "spells", ATTRIBUTE_SPELLS, &list, &n, e);
    if (rc < 0)
        return rc;
    if (!(a->spells = calloc(n + 1, sizeof *a->spells)))
        return -ENOMEM;
    a->n_spells = n;
    for (size_t i = 0; i < n && rc == 0; i++) {
        const json_t *s = json_array_get(list, i);
        rc = fields_from_json(spell_fields, s, &a->spells[i], "spells", e);
        rc = rc ? rc
                : parts_from_json(s, "spells", "part_us", a->spells[i].part_us, &unused,
                                  e);
    }
    return rc;
}

static int blames_from_json(struct view_variance *a, const json_t *o, struct err *e)
{
    const json_t *list;
    size_t n;
    int rc = list_of(o, "variance", "blames", BLAMES_MOST, &list, &n, e);
    if (rc < 0)
        return rc;
    if (!(a->blames = calloc(n + 1, sizeof *a->blames)))
        return -ENOMEM;
    a->n_blames = n;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = fields_from_json(blame_fields, json_array_get(list, i), &a->blames[i],
                              "blames", e);
    return rc;
}

/* Buckets in order, whose counts come to `count`: what reads it counts on that. A count
 * that has saturated comes to less. */
static int buckets_from_json(struct hist *h, const json_t *list, struct err *e)
{
    uint64_t sum = 0, bucket, count, next = 0;
    bool saturated = false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!is_pair(json_array_get(list, i), h->n_buckets - 1, UINT32_MAX, &bucket,
                     &count) ||
            bucket < next || count == 0)
            return fields_bad(e, "excess", "buckets", "not pairs in order");
        h->counts[bucket] = (uint32_t)count;
        saturated = saturated || count == UINT32_MAX;
        sum += count;
        next = bucket + 1;
    }
    if (saturated ? h->count < sum : h->count != sum)
        return fields_bad(e, "excess", "count", "not that of its buckets");
    if (h->min > h->max || h->max > UINT32_MAX)
        return fields_bad(e, "excess", "max", "out of range");
    return 0;
}

static int excess_from_json(struct view_variance *a, const json_t *o, struct err *e)
{
    const json_t *x = json_object_get(o, "excess"), *list;
    uint64_t p;
    size_t n;
    if (json_is_null(x))
        return 0;
    if (!is_count(json_object_get(x, "precision"), 7, &p) || p < 5)
        return fields_bad(e, "excess", "precision", "missing, or not 5 to 7");
    if (hist_init(&a->excess, (unsigned)p) < 0)
        return -ENOMEM;
    int rc = fields_from_json(excess_fields, x, &a->excess, "excess", e);
    rc = rc ? rc : list_of(x, "excess", "buckets", a->excess.n_buckets, &list, &n, e);
    return rc ? rc : buckets_from_json(&a->excess, list, e);
}

static int attribution_from_json(struct report_view *v, const json_t *root,
                                 struct err *e)
{
    const json_t *o = json_object_get(root, "variance");
    struct view_variance *a = &v->variance;
    if (!o || json_is_null(o))
        return 0;
    int rc = fields_from_json(variance_fields, o, a, "variance", e);
    a->known = true;
    rc =
        rc ? rc
           : parts_from_json(o, "variance", "loss_us", a->loss_us, &a->not_measured, e);
    rc = rc ? rc
            : parts_from_json(o, "variance", "common_us", a->common_us,
                              &a->not_measured, e);
    rc = rc ? rc : blames_from_json(a, o, e);
    rc = rc ? rc : spells_from_json(a, o, e);
    return rc ? rc : excess_from_json(a, o, e);
}

static int series_from_json(struct report_view *v, const json_t *root, struct err *e)
{
    const json_t *o = json_object_get(root, "series"), *list;
    uint64_t per, steps, t_us;
    size_t n;
    if (!o || json_is_null(o))
        return 0;
    if (!is_count(json_object_get(o, "per_block"), UINT32_MAX, &per) || per == 0)
        return fields_bad(e, "series", "per_block", "not a count");
    int rc = list_of(o, "series", "blocks", SERIES_BLOCKS, &list, &n, e);
    if (rc < 0)
        return rc;
    if (!(v->series = calloc(1, sizeof *v->series)))
        return -ENOMEM;
    v->series->per_block = (uint32_t)per;
    v->series->n = n;
    for (size_t i = 0; i < n; i++) {
        if (!is_pair(json_array_get(list, i), per, INT64_MAX, &steps, &t_us) ||
            steps == 0)
            return fields_bad(e, "series", "blocks",
                              "not pairs of steps, per_block at most, and time");
        v->series->blocks[i] =
            (struct series_block){.steps = (uint32_t)steps, .t_us = t_us};
    }
    return 0;
}

static int ledger_from_json(struct report_view *v, const json_t *root, struct err *e)
{
    const json_t *o = json_object_get(root, "ledger"), *rows;
    if (!o || json_is_null(o))
        return 0;
    rows = json_object_get(o, "rows");
    if (!json_is_object(rows))
        return fields_bad(e, "ledger", "rows", "missing or not an object");
    for (int r = 0; r < LEDGER_ROWS; r++) {
        const json_t *us = json_object_get(rows, ledger_name((enum ledger_row)r));
        if (us && !is_count(us, INT64_MAX, &v->ledger.us[r]))
            return fields_bad(e, "ledger", ledger_name((enum ledger_row)r),
                              "not a count");
    }
    v->has_ledger = true;
    return is_count(json_object_get(o, "hangs"), INT64_MAX, &v->ledger.hangs)
               ? 0
               : fields_bad(e, "ledger", "hangs", "not a count");
}

static int cost_from_json(struct report_view *v, const json_t *root, struct err *e)
{
    const json_t *o = json_object_get(root, "cost");
    const char *device = json_string_value(json_object_get(o, "device"));
    const char *currency = json_string_value(json_object_get(o, "currency"));
    struct cost c = {0};
    if (!o || json_is_null(o))
        return 0;
    int rc = fields_from_json(cost_fields, o, &c, "cost", e);
    if (rc < 0)
        return rc;
    if (c.device_hour > COST_MOST)
        return fields_bad(e, "cost", "device_hour", "out of range");
    if (!device || (strcmp(device, "rank") != 0 && strcmp(device, "gpu") != 0))
        return fields_bad(e, "cost", "device", "not \"gpu\" or \"rank\"");
    if (!currency || strlen(currency) >= sizeof c.currency)
        return fields_bad(e, "cost", "currency", "not a text of 15 bytes at most");
    char *text = view_text(currency);
    if (!text)
        return -ENOMEM;
    strcpy(c.currency, text); /* made printable, which lengthens no text */
    free(text);
    c.ranks = strcmp(device, "rank") == 0;
    v->cost = c;
    return 0;
}

static int signals_from_json(struct report_view *v, const json_t *root, struct err *e)
{
    const json_t *list = json_object_get(root, "signals");
    int rc = 0;
    if (!list || json_is_null(list))
        return 0;
    if (json_array_size(list) != v->n_nodes || !json_is_array(list))
        return err_set(e, ERR_PARSE, "\"signals\" is not a list of one for each node");
    if (!(v->signals = calloc(v->n_nodes + 1, sizeof *v->signals)))
        return -ENOMEM;
    for (size_t i = 0; i < v->n_nodes && rc == 0; i++)
        rc = fields_from_json(signals_fields, json_array_get(list, i), &v->signals[i],
                              "signals", e);
    return rc;
}

int variance_from_json(struct report_view *v, const json_t *root, struct err *e)
{
    int rc = attribution_from_json(v, root, e);
    rc = rc ? rc : series_from_json(v, root, e);
    rc = rc ? rc : ledger_from_json(v, root, e);
    rc = rc ? rc : cost_from_json(v, root, e);
    return rc ? rc : signals_from_json(v, root, e);
}
