/* SPDX-License-Identifier: MIT */
/* job_bind.c - the binding of a node's ranks as part of its plan: what is told to the agent,
 * what the programs find in their environment, and where the user has said otherwise. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/failures.h"
#include "launcher/job_impl.h"
#include "launcher/place/bindenv.h"

#define VALUE_SHOWN 160 /* of a list of UUIDs the first are enough to know it by */

/* ---- what the user set, and what could not be told ---- */

/* One variable, whatever the number of nodes and ranks. */
struct conflict {
    char *name, *theirs, *ours; /* ours: on the first node */
    uint32_t first, last, n_nodes;
};

struct job_bind_said {
    struct job *job;
    uint32_t node; /* being looked at */
    struct conflict conflicts[LIMIT_BIND_ENV];
    size_t n_conflicts;
    struct failure *notes; /* by node; the texts are owned */
    size_t n_notes, cap_notes;
};

static void on_conflict(void *arg, const char *name, const char *theirs,
                        const char *ours)
{
    struct job_bind_said *s = arg;
    struct conflict *c = NULL;
    for (size_t i = 0; i < s->n_conflicts && !c; i++) {
        if (strcmp(s->conflicts[i].name, name) == 0)
            c = &s->conflicts[i];
    }
    if (c && c->last == s->node)
        return;
    if (c) {
        c->last = s->node;
        c->n_nodes++;
        return;
    }
    if (s->n_conflicts == LIMIT_BIND_ENV)
        return;
    c = &s->conflicts[s->n_conflicts];
    *c = (struct conflict){strdup(name), strdup(theirs), strdup(ours),
                           s->node,      s->node,        1};
    if (c->name && c->theirs && c->ours) {
        s->n_conflicts++;
        return;
    }
    free(c->name);
    free(c->theirs);
    free(c->ours);
}

static int add_note(struct job_bind_said *s, const char *text)
{
    const char *node = job_node_name(s->job, s->node);
    for (size_t i = s->n_notes; i > 0 && s->notes[i - 1].name == node; i--) {
        if (strcmp(s->notes[i - 1].error, text) == 0)
            return 0; /* each of its ranks says so */
    }
    if (s->n_notes == s->cap_notes) {
        size_t cap = s->cap_notes ? 2 * s->cap_notes : 16;
        struct failure *notes = realloc(s->notes, cap * sizeof *notes);
        if (!notes)
            return -ENOMEM;
        s->notes = notes;
        s->cap_notes = cap;
    }
    char *copy = strdup(text);
    if (!copy)
        return -ENOMEM;
    s->notes[s->n_notes++] = (struct failure){node, copy, ""};
    return 0;
}

static bool is_in_job_env(const struct spec *s, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < s->job.env.n; i++) {
        if (strncmp(s->job.env.items[i], name, n) == 0 && s->job.env.items[i][n] == '=')
            return true;
    }
    return false;
}

static void tell_conflict(struct job *j, const struct conflict *c)
{
    char others[64] = "";
    if (c->n_nodes > 1)
        (void)snprintf(others, sizeof others, " and %u more nodes", c->n_nodes - 1);
    job_warn(
        j,
        "%s stays \"%.*s\", as %s has it, and that wins over the binding's \"%.*s\" "
        "on %s%s",
        c->name, VALUE_SHOWN, c->theirs,
        is_in_job_env(j->config.spec, c->name) ? "job.env (or -x)"
                                               : "the environment here",
        VALUE_SHOWN, c->ours, job_node_name(j, c->first), others);
}

static void on_note(void *arg, const char *names, const char *text, const char *hint)
{
    (void)hint;
    job_warn(arg, "%s: %s", names, text);
}

int job_bind_begin(struct job *j, struct job_bind_said **ret)
{
    *ret = calloc(1, sizeof **ret);
    if (!*ret)
        return -ENOMEM;
    (*ret)->job = j;
    return 0;
}

void job_bind_tell(struct job_bind_said *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_conflicts; i++) {
        struct conflict *c = &s->conflicts[i];
        tell_conflict(s->job, c);
        free(c->name);
        free(c->theirs);
        free(c->ours);
    }
    failures_each(s->notes, s->n_notes, on_note, s->job);
    for (size_t i = 0; i < s->n_notes; i++)
        free((char *)s->notes[i].error);
    free(s->notes);
    free(s);
}

/* ---- one node's part ---- */

/* What the messages of a rank (or of the node) point into. */
struct part {
    struct bindenv env;
    Aolani__KeyValue **list;
    uint32_t *numa;
    char **gpus;
};

struct job_bind {
    struct part node, *ranks;
    size_t n_ranks;
};

static void part_fini(struct part *p)
{
    job_env_free(p->list, p->env.vars.n);
    bindenv_fini(&p->env);
    free(p->numa);
    free(p->gpus);
}

void job_bind_destroy(struct job_bind *b)
{
    if (!b)
        return;
    part_fini(&b->node);
    for (size_t i = 0; i < b->n_ranks; i++)
        part_fini(&b->ranks[i]);
    free(b->ranks);
    free(b);
}

static int take_env(struct job_bind_said *s, const Aolani__Prepare *m, struct part *p)
{
    int rc = 0;
    if (!(p->list = job_env_messages(&p->env.vars, NULL)))
        return -ENOMEM;
    bindenv_conflicts(&p->env, &s->job->config.spec->job.env, m->forwarded,
                      m->n_forwarded, on_conflict, s);
    for (size_t i = 0; rc == 0 && i < p->env.notes.n; i++)
        rc = add_note(s, p->env.notes.items[i]);
    return rc;
}

/* The agent takes no others; a device that is named otherwise is known by none to it. */
static bool is_plain(const char *name)
{
    size_t n = 0;
    while (n <= LIMIT_DEVICE_NAME && (unsigned char)name[n] > ' ' && name[n] != 127)
        n++;
    return n > 0 && n <= LIMIT_DEVICE_NAME && !name[n];
}

static int take_numa(const struct plan_rank *r, struct part *p, Aolani__RankPlan *m)
{
    if (!(p->numa = calloc(rankset_count(&r->numa) + 1, sizeof *p->numa)))
        return -ENOMEM;
    for (int64_t i = -1; (i = rankset_next(&r->numa, (uint32_t)(i + 1))) >= 0;)
        p->numa[m->n_numa++] = (uint32_t)i;
    m->numa = p->numa;
    return 0;
}

static int take_devices(const struct topo *t, const struct plan_rank *r, struct part *p,
                        Aolani__RankPlan *m)
{
    if (!(p->gpus = calloc(r->n_gpus + 1, sizeof *p->gpus)))
        return -ENOMEM;
    for (size_t i = 0; i < r->n_gpus; i++) {
        char *uuid = t->gpus[r->gpus[i]].m->uuid;
        if (is_plain(uuid))
            p->gpus[m->n_gpus++] = uuid;
    }
    m->gpus = p->gpus;
    if (r->n_nics > 0 && is_plain(t->nics[r->nics[0]].m->name))
        m->nic = t->nics[r->nics[0]].m->name;
    return 0;
}

static int take_rank(struct job_bind_said *s, const Aolani__Prepare *m, struct part *p,
                     Aolani__RankPlan *rank)
{
    const struct job *j = s->job;
    const struct plan_rank *r = &j->plan.ranks[rank->rank];
    int rc = bindenv_rank(j->config.spec, &j->plan, rank->rank, &p->env);
    if (rc == 0)
        rc = take_env(s, m, p);
    if (rc == 0)
        rc = take_numa(r, p, rank);
    if (rc == 0)
        rc = take_devices(j->plan.nodes[s->node].topo, r, p, rank);
    rank->cpus = r->cpus;
    rank->bind_env = p->list;
    rank->n_bind_env = p->list ? p->env.vars.n : 0;
    return rc;
}

int job_bind_node(struct job_bind_said *s, uint32_t node, Aolani__Prepare *m,
                  struct job_bind **ret)
{
    const struct job *j = s->job;
    struct job_bind *b = calloc(1, sizeof *b);
    s->node = node;
    if (!b || !(b->ranks = calloc(m->n_ranks + 1, sizeof *b->ranks))) {
        free(b);
        return -ENOMEM;
    }
    b->n_ranks = m->n_ranks;
    int rc = bindenv_node(j->config.spec, &j->plan, node, &b->node.env);
    if (rc == 0)
        rc = take_env(s, m, &b->node);
    for (size_t i = 0; rc == 0 && i < m->n_ranks; i++)
        rc = take_rank(s, m, &b->ranks[i], m->ranks[i]);
    if (rc < 0) {
        job_bind_destroy(b);
        return rc;
    }
    m->bind_env = b->node.list;
    m->n_bind_env = b->node.env.vars.n;
    *ret = b;
    return 0;
}

void job_bind_common(const struct job *j, Aolani__Prepare *m)
{
    const char *memory = j->config.spec->bind.memory;
    m->bind_strict = j->config.spec->bind.strict;
    m->memory = strcmp(memory, "bind") == 0     ? AOLANI__MEMORY_POLICY__MEMORY_BIND
                : strcmp(memory, "prefer") == 0 ? AOLANI__MEMORY_POLICY__MEMORY_PREFER
                                                : AOLANI__MEMORY_POLICY__MEMORY_ANY;
}
