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

#define TEXT_MOST   400u
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
        driftlines_add(&j->drifts, m->rank, &news, i, loop_now_ms(j->loop));
    return 0;
}

/* ---- telling ---- */

static void on_line(void *arg, bool is_warning, const char *text)
{
    (void)arg;
    if (is_warning)
        log_warn("%s", text);
    else
        log_note("%s", text);
}

void job_tell_drift(struct job *j, uint64_t now_ms, bool last)
{
    driftlines_say(&j->drifts, j->node_of_rank, now_ms, last, on_line, NULL);
}

void job_print_drift(const struct job *j)
{
    struct rankset ranks = {0};
    const struct binding_check *first = NULL;
    struct buf names;
    for (uint32_t i = 0; j->ranks && i < j->plan.world_size; i++) {
        const struct job_rank *r = &j->ranks[i];
        const struct binding_check *c =
            r->binding && r->v.end == RANK_ALIVE ? binding_drifting(r->binding) : NULL;
        first = first ? first : c;
        if (c)
            (void)rankset_add(&ranks, i);
    }
    buf_init(&names, 1u << 24);
    if (first && rankset_format(&ranks, &names) == 0) {
        const char *list = (const char *)names.data;
        size_t n = rankset_shown(list, 120);
        log_answer("drift on %zu rank%s (%.*s%s), the first: %s", rankset_count(&ranks),
                   rankset_count(&ranks) > 1 ? "s" : "", (int)n, list,
                   list[n] ? "..." : "", first->text);
    }
    buf_fini(&names);
    rankset_fini(&ranks);
}
