/* SPDX-License-Identifier: MIT */
/* job_binding.c - see job_binding.h. */
#include "launcher/job_binding.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/job_impl.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/rankset.h"

#define GROUP_MS    1000u /* agents look at about the same time */
#define EACH_MOST   3u    /* ranks with the same trouble that get a line each */
#define LINES_MOST  20u   /* in an attempt */
#define TEXT_MOST   400u
#define RANKS_TEXT  120u
#define PHASE_START 2

/* ---- asked ---- */

static int ask_gpus(struct binding *b, const struct topo *t, const struct plan_rank *p)
{
    int rc = 0;
    for (size_t i = 0; i < p->n_gpus && rc == 0; i++) {
        const Aolani__Gpu *g = t->gpus[p->gpus[i]].m;
        rc = binding_add(&b->gpus, &b->n_gpus, g->uuid[0] ? g->uuid : g->bus_id);
    }
    return rc;
}

static int ask(struct binding *b, const struct topo *t, const struct plan_rank *p)
{
    struct buf numa;
    buf_init(&numa, 1u << 16);
    int rc = binding_set(&b->cpus, p->cpus);
    if (rc == 0 && rankset_count(&p->numa) > 0 &&
        (rc = rankset_format(&p->numa, &numa)) == 0)
        rc = binding_set(&b->numa, (const char *)numa.data);
    if (rc == 0 && p->n_nics > 0)
        rc = binding_set(&b->nic, t->nics[p->nics[0]].m->name);
    rc = rc ? rc : ask_gpus(b, t, p);
    buf_fini(&numa);
    return rc;
}

struct binding *job_binding_of(struct job *j, uint32_t rank)
{
    struct job_rank *r = &j->ranks[rank];
    const struct plan_rank *p = &j->plan.ranks[rank];
    if (r->binding)
        return r->binding;
    r->binding = binding_create();
    if (r->binding && ask(r->binding, j->plan.nodes[p->node].topo, p) < 0) {
        binding_destroy(r->binding);
        r->binding = NULL;
    }
    return r->binding;
}

/* ---- read back ---- */

/* What a person calls it: "gpu 3" for its UUID. */
static void name_gpus(const struct topo *t, const char *text, char *out, size_t len)
{
    size_t n = 0;
    while (*text && n + 1 < len) {
        size_t skip = 0;
        for (size_t i = 0; i < t->n_gpus && skip == 0; i++) {
            const char *uuid = t->gpus[i].m->uuid;
            if (!uuid[0] || strncmp(text, uuid, strlen(uuid)) != 0)
                continue;
            skip = strlen(uuid);
            int put = snprintf(out + n, len - n, "gpu %zu", i);
            n += put > 0 && (size_t)put < len - n ? (size_t)put : len - n - 1;
        }
        if (skip == 0)
            out[n++] = *text;
        text += skip ? skip : 1;
    }
    out[n] = '\0';
}

struct named { /* a message with the names that people know */
    Aolani__Binding m;
    Aolani__Binding__Check checks[LIMIT_BINDING_CHECKS], *list[LIMIT_BINDING_CHECKS];
    char texts[LIMIT_BINDING_CHECKS][TEXT_MOST];
};

static int name_checks(const struct topo *t, const Aolani__Binding *m,
                       struct named *ret)
{
    if (m->n_checks > LIMIT_BINDING_CHECKS)
        return ERR_LIMIT;
    ret->m = *m;
    ret->m.checks = ret->list;
    for (size_t i = 0; i < m->n_checks; i++) {
        ret->checks[i] = *m->checks[i];
        ret->checks[i].text = ret->texts[i];
        ret->list[i] = &ret->checks[i];
        name_gpus(t, m->checks[i]->text, ret->texts[i], sizeof ret->texts[i]);
    }
    return 0;
}

static void note_drift(struct job *j, uint32_t rank, const struct binding_news *news,
                       size_t i)
{
    const struct binding_drift *d = news->list[i].drift;
    const char *why = news->list[i].unverified;
    struct job_drifts *w = &j->drifts;
    if (w->n == w->cap) {
        size_t cap = 2 * w->cap + 16;
        void *more = realloc(w->list, cap * sizeof *w->list);
        if (!more)
            return;
        w->list = more;
        w->cap = cap;
    }
    if (w->n == 0)
        w->since_ms = loop_now_ms(j->loop);
    struct job_drift *to = &w->list[w->n++];
    *to = (struct job_drift){.rank = rank,
                             .change = news->list[i].begins ? DRIFT_BEGINS
                                       : why                ? DRIFT_LOST
                                                            : DRIFT_ENDS,
                             .from_ms = d->from_ms,
                             .to_ms = d->to_ms};
    (void)snprintf(to->what, sizeof to->what, "%s", d->what);
    (void)snprintf(to->text, sizeof to->text, "%s", why ? why : d->text);
}

/* Of the node's clock, after the ranks were told to start. */
static uint64_t after_start(const struct job *j, uint32_t node, uint64_t t_ns)
{
    uint64_t now = clock_mono_ns(), error;
    uint64_t at = clocksync_to_head(fleet_clock(j->fleet, node), t_ns, now, &error);
    uint64_t start = j->phase_start_ms[PHASE_START], ms = (at < now ? at : now);
    ms /= 1000000u;
    return ms > start ? ms - start : 0;
}

int job_on_binding(struct job *j, uint32_t node, const ProtobufCMessage *msg,
                   struct err *e)
{
    const Aolani__Binding *m = (const void *)msg;
    struct binding_news news;
    if (!j->fences || m->rank < j->plan.first_rank[node] ||
        m->rank >= j->plan.first_rank[node + 1])
        return err_set(e, ERR_PROTO, "it speaks for rank %u, which is not its own",
                       m->rank);
    struct job_rank *r = &j->ranks[m->rank];
    struct binding *b = job_binding_of(j, m->rank);
    if (!b || r->n_bindings >= LIMIT_BINDINGS)
        return 0;
    struct named v;
    int rc = name_checks(j->plan.nodes[node].topo, m, &v);
    rc = rc ? rc : binding_take(b, &v.m, after_start(j, node, m->t_ns), &news);
    if (rc == ERR_LIMIT)
        return err_set(e, ERR_PROTO, "its binding of rank %u is of no known form",
                       m->rank);
    r->n_bindings++;
    job_journal_binding(j, &v.m);
    for (size_t i = 0; i < news.n; i++)
        note_drift(j, m->rank, &news, i);
    return 0;
}

/* ---- telling ---- */

static const char *name_ranks(const struct rankset *s, char out[RANKS_TEXT])
{
    struct buf b;
    buf_init(&b, 1u << 24);
    out[0] = '\0';
    if (rankset_format(s, &b) == 0)
        (void)snprintf(out, RANKS_TEXT, "%.*s%s", (int)RANKS_TEXT - 4,
                       (const char *)b.data, b.len > RANKS_TEXT - 4 ? "..." : "");
    buf_fini(&b);
    return out;
}

static const char *name_kind(const char *what)
{
    return strcmp(what, "cpus") == 0 ? "cores" : what;
}

/* False: enough was said. */
static bool may_say(struct job *j)
{
    if (++j->drifts.lines == LINES_MOST + 1)
        log_warn("more drift is told in the report alone");
    return j->drifts.lines <= LINES_MOST;
}

static void say_one(struct job *j, const struct job_drift *d)
{
    const char *node = j->node_of_rank[d->rank];
    char since[24];
    if (!may_say(j))
        return;
    if (d->change == DRIFT_BEGINS)
        log_warn("rank %u on %s: %s (drift since %s after the start)", d->rank, node,
                 d->text, clock_format_duration(d->from_ms, since, sizeof since));
    else if (d->change == DRIFT_ENDS)
        log_note("rank %u on %s: no drift of its %s any more, after %s", d->rank, node,
                 name_kind(d->what),
                 clock_format_duration(d->to_ms - d->from_ms, since, sizeof since));
    else
        log_note(
            "rank %u on %s: its %s cannot be verified any more, after drift of %s: "
            "%s",
            d->rank, node, name_kind(d->what),
            clock_format_duration(d->to_ms - d->from_ms, since, sizeof since), d->text);
}

static bool is_same_kind(const struct job_drift *a, const struct job_drift *b)
{
    return a->change == b->change && strcmp(a->what, b->what) == 0;
}

/* All that the i-th has company in: from one line for many ranks, or one each. */
static void say_kind(struct job *j, size_t first)
{
    struct job_drifts *w = &j->drifts;
    struct job_drift d = w->list[first];
    struct rankset ranks = {0};
    char names[RANKS_TEXT], since[24];
    for (size_t i = first; i < w->n; i++) {
        if (is_same_kind(&w->list[i], &d))
            (void)rankset_add(&ranks, w->list[i].rank);
    }
    size_t n = rankset_count(&ranks);
    for (size_t i = first; i < w->n && n <= EACH_MOST; i++) {
        if (is_same_kind(&w->list[i], &d))
            say_one(j, &w->list[i]);
    }
    if (n > EACH_MOST && may_say(j)) {
        name_ranks(&ranks, names);
        if (d.change == DRIFT_BEGINS)
            log_warn("%zu ranks (%s) drift since %s after the start, the first: rank "
                     "%u on %s: %s",
                     n, names, clock_format_duration(d.from_ms, since, sizeof since),
                     d.rank, j->node_of_rank[d.rank], d.text);
        else if (d.change == DRIFT_ENDS)
            log_note("%zu ranks (%s): no drift of their %s any more", n, names,
                     name_kind(d.what));
        else
            log_note(
                "%zu ranks (%s): their %s cannot be verified any more, after drift, "
                "the first: %s",
                n, names, name_kind(d.what), d.text);
    }
    rankset_fini(&ranks);
}

void job_tell_drift(struct job *j, uint64_t now_ms, bool last)
{
    struct job_drifts *w = &j->drifts;
    if (w->n == 0 || (!last && now_ms - w->since_ms < GROUP_MS))
        return;
    for (size_t i = 0; i < w->n; i++) {
        bool said = false;
        for (size_t k = 0; k < i && !said; k++)
            said = is_same_kind(&w->list[k], &w->list[i]);
        if (!said)
            say_kind(j, i);
    }
    w->n = 0;
}

void job_print_drift(const struct job *j)
{
    struct rankset ranks = {0};
    const struct binding_check *first = NULL;
    char names[RANKS_TEXT];
    for (uint32_t i = 0; j->ranks && i < j->plan.world_size; i++) {
        const struct job_rank *r = &j->ranks[i];
        const struct binding_check *c =
            r->binding && r->v.end == RANK_ALIVE ? binding_drifting(r->binding) : NULL;
        first = first ? first : c;
        if (c)
            (void)rankset_add(&ranks, i);
    }
    if (first)
        log_answer("drift on %zu rank%s (%s), the first: %s", rankset_count(&ranks),
                   rankset_count(&ranks) > 1 ? "s" : "", name_ranks(&ranks, names),
                   first->text);
    rankset_fini(&ranks);
}
