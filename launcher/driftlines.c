/* SPDX-License-Identifier: MIT */
/* driftlines.c - see driftlines.h. */
#include "launcher/driftlines.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/clock.h"

#define GROUP_MS   1000u
#define RANKS_TEXT 120u

/* ---- gathering ---- */

static struct driftlines_kind *kind_of(struct driftlines *w,
                                       enum driftlines_change change, const char *what)
{
    for (size_t i = 0; i < w->n; i++) {
        if (w->kinds[i].change == change && strcmp(w->kinds[i].what, what) == 0)
            return &w->kinds[i];
    }
    if (w->n == DRIFTLINES_KINDS)
        return NULL;
    struct driftlines_kind *k = &w->kinds[w->n++];
    *k = (struct driftlines_kind){.change = change};
    (void)snprintf(k->what, sizeof k->what, "%s", what);
    return k;
}

void driftlines_add(struct driftlines *w, uint32_t rank,
                    const struct binding_news *news, size_t i, uint64_t now_ms)
{
    const struct binding_drift *d = news->list[i].drift;
    const char *why = news->list[i].unverified;
    if (w->n == 0)
        w->since_ms = now_ms;
    struct driftlines_kind *k = kind_of(w,
                                        news->list[i].begins ? DRIFT_BEGINS
                                        : why                ? DRIFT_LOST
                                                             : DRIFT_ENDS,
                                        d->what);
    if (!k) {
        w->left_out = true;
        return;
    }
    (void)rankset_add(&k->ranks, rank);
    if (k->n_first == DRIFTLINES_EACH)
        return;
    struct driftlines_one *to = &k->first[k->n_first++];
    *to =
        (struct driftlines_one){.rank = rank, .from_ms = d->from_ms, .to_ms = d->to_ms};
    (void)snprintf(to->text, sizeof to->text, "%s", why ? why : d->text);
}

/* ---- saying ---- */

struct saying {
    struct driftlines *w;
    const char *const *node_of_rank;
    void (*say)(void *arg, bool is_warning, const char *text);
    void *arg;
};

static void say(const struct saying *s, bool is_warning, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void say(const struct saying *s, bool is_warning, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    if (s->w->lines > DRIFTLINES_MOST)
        return;
    if (s->w->lines++ == DRIFTLINES_MOST) {
        s->say(s->arg, true, "more drift is told in the report alone");
        return;
    }
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    s->say(s->arg, is_warning, text);
}

static const char *name_ranks(const struct rankset *s, char out[RANKS_TEXT])
{
    struct buf b;
    buf_init(&b, 1u << 24);
    out[0] = '\0';
    if (rankset_format(s, &b) == 0) {
        const char *list = (const char *)b.data;
        size_t n = rankset_shown(list, RANKS_TEXT - 4);
        (void)snprintf(out, RANKS_TEXT, "%.*s%s", (int)n, list, list[n] ? "..." : "");
    }
    buf_fini(&b);
    return out;
}

static const char *name_kind(const struct driftlines_kind *k)
{
    return strcmp(k->what, "cpus") == 0 ? "cores" : k->what;
}

static void say_one(const struct saying *s, const struct driftlines_kind *k,
                    const struct driftlines_one *d)
{
    const char *node = s->node_of_rank[d->rank];
    char since[24], after[24];
    (void)clock_format_duration(d->from_ms, since, sizeof since);
    (void)clock_format_duration(d->to_ms > d->from_ms ? d->to_ms - d->from_ms : 0,
                                after, sizeof after);
    switch (k->change) {
    case DRIFT_BEGINS:
        say(s, true, "rank %u on %s: %s (drift since %s after the start)", d->rank,
            node, d->text, since);
        break;
    case DRIFT_ENDS:
        say(s, false, "rank %u on %s: no drift of its %s any more, after %s", d->rank,
            node, name_kind(k), after);
        break;
    case DRIFT_LOST:
        say(s, false,
            "rank %u on %s: its %s cannot be verified any more, after drift of %s: %s",
            d->rank, node, name_kind(k), after, d->text);
        break;
    }
}

static void say_many(const struct saying *s, const struct driftlines_kind *k)
{
    const struct driftlines_one *d = &k->first[0];
    char names[RANKS_TEXT], since[24];
    size_t n = rankset_count(&k->ranks);
    (void)name_ranks(&k->ranks, names);
    switch (k->change) {
    case DRIFT_BEGINS:
        say(s, true,
            "%zu ranks (%s) drift since %s after the start, the first: rank %u on %s: "
            "%s",
            n, names, clock_format_duration(d->from_ms, since, sizeof since), d->rank,
            s->node_of_rank[d->rank], d->text);
        break;
    case DRIFT_ENDS:
        say(s, false, "%zu ranks (%s): no drift of their %s any more", n, names,
            name_kind(k));
        break;
    case DRIFT_LOST:
        say(s, false,
            "%zu ranks (%s): their %s cannot be verified any more, after drift, the "
            "first: %s",
            n, names, name_kind(k), d->text);
        break;
    }
}

void driftlines_say(struct driftlines *w, const char *const *node_of_rank,
                    uint64_t now_ms, bool last,
                    void (*f)(void *arg, bool is_warning, const char *text), void *arg)
{
    struct saying s = {w, node_of_rank, f, arg};
    if (w->n == 0 || (!last && now_ms - w->since_ms < GROUP_MS))
        return;
    for (size_t i = 0; i < w->n; i++) {
        const struct driftlines_kind *k = &w->kinds[i];
        bool many = rankset_count(&k->ranks) > DRIFTLINES_EACH;
        if (many)
            say_many(&s, k);
        for (size_t n = 0; n < k->n_first && !many; n++)
            say_one(&s, k, &k->first[n]);
    }
    if (w->left_out)
        say(&s, true, "there is drift of more kinds, which the report has");
    driftlines_fini(w);
}

void driftlines_fini(struct driftlines *w)
{
    for (size_t i = 0; i < w->n; i++)
        rankset_fini(&w->kinds[i].ranks);
    w->n = 0;
    w->left_out = false;
}
