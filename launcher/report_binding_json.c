/* SPDX-License-Identifier: MIT */
/* report_binding_json.c - see report_binding_json.h. */
#include "launcher/report_binding_json.h"

#include <errno.h>
#include <jansson.h>

/* ---- writing; any part that fails makes the whole fail ---- */

static json_int_t int_of(uint64_t v)
{
    return v > INT64_MAX ? INT64_MAX : (json_int_t)v;
}

static json_t *texts(char *const *list, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; a && i < n; i++) {
        if (json_array_append_new(a, json_string(list[i])) < 0) {
            json_decref(a);
            return NULL;
        }
    }
    return a;
}

/* Take the rows until one is NULL. */
static json_t *rows(const struct binding *b, size_t n,
                    json_t *(*row)(const struct binding *b, size_t i))
{
    json_t *a = json_array();
    for (size_t i = 0; a && i < n; i++) {
        if (json_array_append_new(a, row(b, i)) < 0) {
            json_decref(a);
            return NULL;
        }
    }
    return a;
}

static json_t *pages_row(const struct binding *b, size_t i)
{
    return json_pack("{s:I,s:I}", "numa", (json_int_t)b->pages[i].numa, "n",
                     int_of(b->pages[i].pages));
}

static json_t *check_row(const struct binding *b, size_t i)
{
    const struct binding_check *c = &b->checks[i];
    return json_pack("{s:s,s:s,s:s}", "what", c->what, "state", c->state, "text",
                     c->text);
}

static json_t *drift_row(const struct binding *b, size_t i)
{
    const struct binding_drift *d = &b->drifts[i];
    return json_pack("{s:s,s:s,s:I,s:o}", "what", d->what, "text", d->text, "from_ms",
                     int_of(d->from_ms), "to_ms",
                     d->over ? json_integer(int_of(d->to_ms)) : json_null());
}

static json_t *seen(const struct binding *b)
{
    if (!b->read)
        return json_null();
    return json_pack("{s:s,s:I,s:I,s:o,s:o,s:s,s:I,s:I}", "cpus", b->seen_cpus,
                     "processes", (json_int_t)b->processes, "threads",
                     (json_int_t)b->threads, "pages", rows(b, b->n_pages, pages_row),
                     "gpus", texts(b->seen_gpus, b->n_seen_gpus), "cgroup_cpus",
                     b->cgroup_cpus, "cgroup_quota_percent",
                     (json_int_t)b->cgroup_quota_percent, "cgroup_memory_bytes",
                     int_of(b->cgroup_memory));
}

json_t *binding_to_json(const struct binding *b)
{
    json_t *asked = json_pack("{s:s,s:s,s:o,s:s}", "cpus", b->cpus, "numa", b->numa,
                              "gpus", texts(b->gpus, b->n_gpus), "nic", b->nic);
    json_t *applied = b->read ? json_pack("{s:s}", "cpus", b->applied) : json_null();
    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:I}", "asked", asked, "applied", applied,
                     "observed", seen(b), "checks", rows(b, b->n_checks, check_row),
                     "drift", rows(b, b->n_drifts, drift_row), "more_drift",
                     int_of(b->more_drifts));
}

/* ---- reading ---- */

static int bad(struct err *e, const char *name)
{
    return err_set(e, ERR_PARSE, "\"%s\" in \"binding\" is missing or wrong", name);
}

static int get_text(const json_t *o, const char *name, char **to, struct err *e)
{
    const char *text = json_string_value(json_object_get(o, name));
    return text ? binding_set(to, text) : bad(e, name);
}

static int get_count(const json_t *o, const char *name, uint64_t most, uint64_t *to,
                     struct err *e)
{
    const json_t *v = json_object_get(o, name);
    json_int_t i = json_integer_value(v);
    if (!json_is_integer(v) || i < 0 || (uint64_t)i > most)
        return bad(e, name);
    *to = (uint64_t)i;
    return 0;
}

static int get_u32(const json_t *o, const char *name, uint32_t *to, struct err *e)
{
    uint64_t v = 0;
    int rc = get_count(o, name, UINT32_MAX, &v, e);
    *to = (uint32_t)v;
    return rc;
}

static int get_texts(const json_t *o, const char *name, size_t most, char ***list,
                     size_t *n, struct err *e)
{
    const json_t *a = json_object_get(o, name);
    int rc = json_is_array(a) && json_array_size(a) <= most ? 0 : bad(e, name);
    for (size_t i = 0; rc == 0 && i < json_array_size(a); i++) {
        const char *text = json_string_value(json_array_get(a, i));
        rc = text ? binding_add(list, n, text) : bad(e, name);
    }
    return rc;
}

static int get_pages(struct binding *b, const json_t *o, struct err *e)
{
    const json_t *a = json_object_get(o, "pages");
    int rc =
        json_is_array(a) && json_array_size(a) <= BINDING_PAGES ? 0 : bad(e, "pages");
    for (size_t i = 0; rc == 0 && i < json_array_size(a); i++) {
        struct binding_pages *p = &b->pages[b->n_pages++];
        const json_t *row = json_array_get(a, i);
        rc = get_u32(row, "numa", &p->numa, e);
        rc = rc ? rc : get_count(row, "n", INT64_MAX, &p->pages, e);
    }
    return rc;
}

static int get_seen(struct binding *b, const json_t *root, struct err *e)
{
    const json_t *o = json_object_get(root, "observed");
    const json_t *applied = json_object_get(root, "applied");
    if (json_is_null(o))
        return 0;
    int rc = get_text(applied, "cpus", &b->applied, e);
    rc = rc ? rc : get_text(o, "cpus", &b->seen_cpus, e);
    rc = rc ? rc : get_u32(o, "processes", &b->processes, e);
    rc = rc ? rc : get_u32(o, "threads", &b->threads, e);
    rc = rc ? rc : get_pages(b, o, e);
    rc = rc ? rc : get_texts(o, "gpus", LIMIT_GPUS, &b->seen_gpus, &b->n_seen_gpus, e);
    rc = rc ? rc : get_text(o, "cgroup_cpus", &b->cgroup_cpus, e);
    rc = rc ? rc : get_u32(o, "cgroup_quota_percent", &b->cgroup_quota_percent, e);
    rc = rc ? rc : get_count(o, "cgroup_memory_bytes", INT64_MAX, &b->cgroup_memory, e);
    b->read = rc == 0;
    return rc;
}

static int get_checks(struct binding *b, const json_t *root, struct err *e)
{
    const json_t *a = json_object_get(root, "checks");
    int rc = json_is_array(a) ? 0 : bad(e, "checks");
    for (size_t i = 0; rc == 0 && i < json_array_size(a); i++) {
        const json_t *o = json_array_get(a, i);
        const char *what = json_string_value(json_object_get(o, "what"));
        const char *state = json_string_value(json_object_get(o, "state"));
        const char *text = json_string_value(json_object_get(o, "text"));
        rc = what && state && text ? binding_add_check(b, what, state, text)
                                   : bad(e, "checks");
    }
    return rc;
}

static int get_drift(struct binding *b, const json_t *o, struct err *e)
{
    struct binding_drift d = {
        .what = (char *)json_string_value(json_object_get(o, "what")),
        .text = (char *)json_string_value(json_object_get(o, "text"))};
    if (!d.what || !d.text)
        return bad(e, "drift");
    int rc = get_count(o, "from_ms", INT64_MAX, &d.from_ms, e);
    d.over = !json_is_null(json_object_get(o, "to_ms"));
    if (rc == 0 && d.over)
        rc = get_count(o, "to_ms", INT64_MAX, &d.to_ms, e);
    return rc ? rc : binding_add_drift(b, &d);
}

static int get_drifts(struct binding *b, const json_t *root, struct err *e)
{
    const json_t *a = json_object_get(root, "drift");
    int rc = json_is_array(a) ? 0 : bad(e, "drift");
    for (size_t i = 0; rc == 0 && i < json_array_size(a); i++)
        rc = get_drift(b, json_array_get(a, i), e);
    return rc ? rc : get_count(root, "more_drift", INT64_MAX, &b->more_drifts, e);
}

static int get_asked(struct binding *b, const json_t *root, struct err *e)
{
    const json_t *o = json_object_get(root, "asked");
    int rc = get_text(o, "cpus", &b->cpus, e);
    rc = rc ? rc : get_text(o, "numa", &b->numa, e);
    rc = rc ? rc : get_texts(o, "gpus", LIMIT_GPUS, &b->gpus, &b->n_gpus, e);
    return rc ? rc : get_text(o, "nic", &b->nic, e);
}

int binding_from_json(const json_t *o, struct binding **ret, struct err *e)
{
    struct binding *b = binding_create();
    if (!b)
        return -ENOMEM;
    int rc = get_asked(b, o, e);
    rc = rc ? rc : get_seen(b, o, e);
    rc = rc ? rc : get_checks(b, o, e);
    rc = rc ? rc : get_drifts(b, o, e);
    if (rc == ERR_LIMIT)
        rc = err_set(e, ERR_PARSE, "\"binding\" has a list that is too long");
    if (rc < 0) {
        binding_destroy(b);
        return rc;
    }
    *ret = b;
    return 0;
}
