/* SPDX-License-Identifier: MIT */
/* report_fields_json.c - see report_fields_json.h. */
#include "launcher/report_fields_json.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/report_view.h"

#define MOST 1e18 /* of an amount: microseconds of 30,000 years */

long long fields_int(uint64_t v)
{
    return v > INT64_MAX ? INT64_MAX : (long long)v;
}

static json_t *maybe_to_json(double v)
{
    return isfinite(v) && v >= 0 ? json_real(v) : json_null();
}

static json_t *field_to_json(const struct field *f, const void *from)
{
    const char *at = (const char *)from + f->at;
    switch ((enum field_type)(f->type & ~FIELD_LATER)) {
    case FIELD_TEXT:
        return json_string(*(char *const *)at);
    case FIELD_BOOL:
        return json_boolean(*(const bool *)at);
    case FIELD_U32:
        return json_integer(*(const uint32_t *)at);
    case FIELD_U64:
        return json_integer(fields_int(*(const uint64_t *)at));
    case FIELD_I64:
        return json_integer(*(const int64_t *)at);
    case FIELD_REAL:
    case FIELD_AMOUNT:
        return json_real(*(const double *)at);
    case FIELD_MAYBE:
        return maybe_to_json(*(const double *)at);
    case FIELD_COUNT:
        return *(const uint64_t *)at == UINT64_MAX
                   ? json_null()
                   : json_integer(fields_int(*(const uint64_t *)at));
    case FIELD_MECH:
        return json_string(mech_name(*(const enum mechanism *)at));
    }
    return NULL;
}

json_t *fields_to_json(const struct field *fields, const void *from)
{
    json_t *o = json_object();
    for (const struct field *f = fields; o && f->name; f++) {
        if (json_object_set_new(o, f->name, field_to_json(f, from)) < 0) {
            json_decref(o);
            return NULL;
        }
    }
    return o;
}

int fields_bad(struct err *e, const char *where, const char *name, const char *what)
{
    return err_set(e, ERR_PARSE, "\"%s\" in \"%s\" is %s", name, where, what);
}

static bool read_integer(unsigned type, const json_t *v, char *at)
{
    json_int_t i = json_integer_value(v);
    if (type == FIELD_COUNT && json_is_null(v)) {
        *(uint64_t *)at = UINT64_MAX;
        return true;
    }
    if (!json_is_integer(v))
        return false;
    if (type == FIELD_I64)
        *(int64_t *)at = i;
    else if (i < 0 || (type == FIELD_U32 && i > UINT32_MAX))
        return false;
    else if (type == FIELD_U32)
        *(uint32_t *)at = (uint32_t)i;
    else
        *(uint64_t *)at = (uint64_t)i;
    return true;
}

static bool read_real(unsigned type, const json_t *v, char *at)
{
    double x = type == FIELD_MAYBE && json_is_null(v) ? NAN : json_number_value(v);
    bool good = json_is_number(v) || isnan(x);
    good = good && (type == FIELD_REAL || isnan(x) || (x >= 0 && x <= MOST));
    if (good)
        *(double *)at = x;
    return good;
}

static bool read_mech(const json_t *v, char *at)
{
    int m = mech_find(json_string_value(v));
    if (m >= 0)
        *(enum mechanism *)at = (enum mechanism)m;
    return m >= 0;
}

static bool read_value(unsigned type, const json_t *v, char *at)
{
    switch ((enum field_type)type) {
    case FIELD_TEXT:
        return false; /* by field_from_json: it allocates */
    case FIELD_BOOL:
        *(bool *)at = json_is_true(v);
        return json_is_boolean(v);
    case FIELD_U32:
    case FIELD_U64:
    case FIELD_I64:
    case FIELD_COUNT:
        return read_integer(type, v, at);
    case FIELD_REAL:
    case FIELD_AMOUNT:
    case FIELD_MAYBE:
        return read_real(type, v, at);
    case FIELD_MECH:
        return read_mech(v, at);
    }
    return false;
}

static int field_from_json(const struct field *f, const json_t *o, void *to,
                           const char *where, struct err *e)
{
    static const char *const wanted[] = {
        [FIELD_TEXT] = "not a text",
        [FIELD_BOOL] = "not true or false",
        [FIELD_U32] = "not a count",
        [FIELD_U64] = "not a count",
        [FIELD_I64] = "not an integer",
        [FIELD_REAL] = "not a number",
        [FIELD_AMOUNT] = "not a number of 0 to 1e18",
        [FIELD_MAYBE] = "not a number of 0 to 1e18, nor null",
        [FIELD_COUNT] = "not a count, nor null",
        [FIELD_MECH] = "not a mechanism",
    };
    char *at = (char *)to + f->at;
    unsigned type = f->type & ~FIELD_LATER;
    const json_t *v = json_object_get(o, f->name);
    if (!v && f->type == (FIELD_TEXT | FIELD_LATER))
        return (*(char **)at = view_text("")) ? 0 : -ENOMEM;
    if (!v && f->type & FIELD_LATER)
        return 0;
    if (!v)
        return fields_bad(e, where, f->name, "missing");
    if (type == FIELD_TEXT && json_is_string(v))
        return (*(char **)at = view_text(json_string_value(v))) ? 0 : -ENOMEM;
    return read_value(type, v, at) ? 0 : fields_bad(e, where, f->name, wanted[type]);
}

int fields_from_json(const struct field *fields, const json_t *o, void *to,
                     const char *where, struct err *e)
{
    int rc = 0;
    if (!json_is_object(o))
        return err_set(e, ERR_PARSE, "\"%s\" is missing or not an object", where);
    for (const struct field *f = fields; f->name && rc == 0; f++)
        rc = field_from_json(f, o, to, where, e);
    return rc;
}

int fields_list_to_json(const struct field_list *l, const void *all, size_t n,
                        struct buf *out)
{
    int rc = buf_printf(out, ",\n\"%s\": [", l->name);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        json_t *o = fields_to_json(l->fields, (const char *)all + i * l->size);
        char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
        rc = text ? buf_printf(out, "%s\n  ", i > 0 ? "," : "") : -ENOMEM;
        rc = rc ? rc : buf_add(out, text, strlen(text));
        free(text);
        json_decref(o);
    }
    return rc ? rc : buf_printf(out, n > 0 ? "\n]" : "]");
}

int fields_list_from_json(const struct field_list *l, const json_t *root, void **ret,
                          size_t *ret_n, struct err *e)
{
    const json_t *list = json_object_get(root, l->name);
    size_t n = json_array_size(list);
    int rc = 0;
    if (!list)
        return 0;
    if (!json_is_array(list))
        return err_set(e, ERR_PARSE, "\"%s\" is not a list", l->name);
    if (!(*ret = calloc(n + 1, l->size)))
        return -ENOMEM;
    *ret_n = n;
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = fields_from_json(l->fields, json_array_get(list, i),
                              (char *)*ret + i * l->size, l->name, e);
    return rc;
}
