/* SPDX-License-Identifier: MIT */
/* conduct.c - see conduct.h. Here: what is asked of a node, and what it may answer. An ask
 * that nobody waits for any more stays open, so that its late answer is no breach; but a
 * node with an open ask is asked nothing else, since it takes one at a time. */
#include "launcher/audit/conduct_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_LIMIT_MS 30000u /* a driver of GPUs may take half of it to wake them */

void conduct_text(char **ret, const char *text)
{
    free(*ret);
    *ret = strdup(text);
}

/* ---------------------------------------------------------------- life */

int conduct_create(const struct conduct_config *config, const struct conduct_ops *ops,
                   void *arg, struct conduct **ret, struct err *e)
{
    size_t n = config->audit->n;
    struct conduct *c = calloc(1, sizeof *c);
    if (!c)
        return err_sys(e, -ENOMEM, "audit %zu nodes", n);
    c->config = *config;
    c->ops = *ops;
    c->arg = arg;
    c->audit = config->audit;
    c->seats = calloc(n + 1, sizeof *c->seats);
    c->machines = calloc(n + 1, sizeof *c->machines);
    c->order = calloc(n + 1, sizeof *c->order);
    c->queue = calloc(n / 2 + 1, sizeof *c->queue);
    c->meetings = calloc(n / 2 + 1, sizeof *c->meetings);
    if (!c->seats || !c->machines || !c->order || !c->queue || !c->meetings ||
        conduct_group(c) < 0) {
        conduct_destroy(c);
        return err_sys(e, -ENOMEM, "audit %zu nodes", n);
    }
    c->audit->measured = config->measure;
    c->audit->paired = config->pair && n > 1;
    *ret = c;
    return 0;
}

void conduct_destroy(struct conduct *c)
{
    if (!c)
        return;
    free(c->seats);
    free(c->machines);
    free(c->order);
    free(c->queue);
    free(c->meetings);
    free(c);
}

/* ---------------------------------------------------------------- asking */

int conduct_ask(struct conduct *c, uint32_t node, enum conduct_ask what,
                Aolani__AuditAsk *m, uint64_t limit_ms)
{
    struct conduct_seat *s = &c->seats[node];
    m->id = ++c->next_id;
    s->ask = what;
    s->id = m->id;
    s->open = true;
    s->answered = false;
    s->percent = 0;
    s->deadline_ms = c->now_ms + limit_ms;
    c->n_awaited++;
    int rc = c->ops.ask(c->arg, node, m);
    if (rc < 0) {
        s->open = s->usable = false;
        conduct_close(c, node);
    }
    return rc;
}

/* Nobody waits any more; that it is also answered is s->open. */
void conduct_close(struct conduct *c, uint32_t node)
{
    struct conduct_seat *s = &c->seats[node];
    if (s->ask == ASK_NONE)
        return;
    s->ask = ASK_NONE;
    c->n_awaited--;
    c->sum_percent -= s->percent;
    s->percent = 0;
    if (s->open)
        s->usable = false;
}

static void ask_to_look(struct conduct *c, uint32_t node)
{
    Aolani__AuditLook look = AOLANI__AUDIT_LOOK__INIT;
    Aolani__AuditAsk m = AOLANI__AUDIT_ASK__INIT;
    while (c->config.skip && c->config.skip[look.n_skip])
        look.n_skip++;
    look.skip = (char **)c->config.skip;
    m.is_case = AOLANI__AUDIT_ASK__IS_LOOK;
    m.look = &look;
    if (conduct_ask(c, node, ASK_LOOK, &m, LOOK_LIMIT_MS) < 0) {
        conduct_text(&c->audit->nodes[node].error, "it could not be asked to look");
        c->n_over++;
    }
}

void conduct_start(struct conduct *c, uint64_t now_ms)
{
    c->now_ms = c->start_ms = now_ms;
    c->stage = STAGE_LOOK;
    c->n_of = (uint32_t)c->audit->n;
    for (uint32_t i = 0; i < c->audit->n; i++) {
        c->seats[i].usable = !c->audit->nodes[i].error;
        if (c->seats[i].usable)
            ask_to_look(c, i);
        else
            c->n_over++;
    }
    conduct_tell(c, NULL);
    conduct_step(c);
}

/* ---------------------------------------------------------------- what came to nothing */

/* The ask that is awaited came to nothing. */
static void fail(struct conduct *c, uint32_t node, const char *why, const char *hint)
{
    struct audit_node *n = &c->audit->nodes[node];
    enum conduct_ask ask = c->seats[node].ask;
    conduct_close(c, node);
    if (ask == ASK_LOOK && !n->found) {
        c->seats[node].usable = false;
        conduct_text(&n->error, why);
        if (hint && hint[0])
            conduct_text(&n->hint, hint);
        c->n_over++;
    } else if (ask == ASK_LOOK) {
        c->n_over++;
    } else if (ask == ASK_MEASURE) {
        if (!n->measured)
            conduct_text(&n->measure_error, why);
        conduct_measured(c, node);
    } else if (ask != ASK_NONE) {
        conduct_pair_over(c, node, why);
    }
}

void conduct_lost(struct conduct *c, uint32_t node, const char *why, const char *hint,
                  uint64_t now_ms)
{
    struct audit_node *n = &c->audit->nodes[node];
    struct conduct_seat *s = &c->seats[node];
    c->now_ms = now_ms;
    s->usable = s->open = false;
    if (c->stage != STAGE_DONE && !n->error) {
        conduct_text(&n->error, why);
        conduct_text(&n->hint, hint ? hint : "");
    }
    fail(c, node, why, hint);
    if (c->stage != STAGE_IDLE && c->stage != STAGE_DONE && c->config.measure &&
        n->found && !n->measured && !n->measure_error)
        conduct_text(&n->measure_error, why);
    conduct_step(c);
}

void conduct_tick(struct conduct *c, uint64_t now_ms)
{
    c->now_ms = now_ms;
    for (uint32_t i = 0; i < c->audit->n && c->n_awaited > 0; i++) {
        struct conduct_seat *s = &c->seats[i];
        if (s->ask == ASK_NONE || now_ms < s->deadline_ms)
            continue;
        char why[80];
        (void)snprintf(why, sizeof why, "no answer in time (%s)",
                       s->ask == ASK_LOOK      ? "asked to look"
                       : s->ask == ASK_MEASURE ? "asked to measure"
                                               : "at one end of a pair");
        fail(c, i, why, "it may be overloaded, or one of its drivers hangs");
    }
    conduct_step(c);
}

/* ---------------------------------------------------------------- what is answered */

static void take_findings(struct conduct *c, uint32_t node, Aolani__AuditSaid *m)
{
    struct audit_node *n = &c->audit->nodes[node];
    if (n->found)
        return;
    n->found = m->found;
    m->found = NULL;
    m->is_case = AOLANI__AUDIT_SAID__IS__NOT_SET;
    c->seats[node].answered = true;
}

static void take_measured(struct conduct *c, uint32_t node, Aolani__AuditSaid *m)
{
    struct audit_node *n = &c->audit->nodes[node];
    if (n->measured)
        return;
    n->measured = m->measured;
    m->measured = NULL;
    m->is_case = AOLANI__AUDIT_SAID__IS__NOT_SET;
    c->seats[node].answered = true;
}

static void take_pair(struct conduct *c, uint32_t node, Aolani__AuditSaid *m)
{
    if (c->seats[node].answered)
        return;
    conduct_pair_result(c, node, m->pair);
    m->pair = NULL;
    m->is_case = AOLANI__AUDIT_SAID__IS__NOT_SET;
    c->seats[node].answered = true;
}

static void take_progress(struct conduct *c, uint32_t node,
                          const Aolani__AuditProgress *p)
{
    struct conduct_seat *s = &c->seats[node];
    unsigned percent = p->percent < 100 ? p->percent : 100;
    if (s->ask == ASK_MEASURE && percent > s->percent) {
        c->sum_percent += percent - s->percent;
        s->percent = percent;
    }
    conduct_tell(c, p->what);
}

/* What it brings besides its being the last word. */
static int take(struct conduct *c, uint32_t node, Aolani__AuditSaid *m, struct err *e)
{
    enum conduct_ask ask = c->seats[node].ask;
    if (m->is_case == AOLANI__AUDIT_SAID__IS__NOT_SET || ask == ASK_NONE)
        return 0;
    if (m->is_case == AOLANI__AUDIT_SAID__IS_PROGRESS)
        take_progress(c, node, m->progress);
    else if (m->is_case == AOLANI__AUDIT_SAID__IS_FOUND && ask == ASK_LOOK)
        take_findings(c, node, m);
    else if (m->is_case == AOLANI__AUDIT_SAID__IS_MEASURED && ask == ASK_MEASURE)
        take_measured(c, node, m);
    else if (m->is_case == AOLANI__AUDIT_SAID__IS_LISTENING && ask == ASK_LISTEN)
        conduct_listening(c, node, m->listening->port);
    else if (m->is_case == AOLANI__AUDIT_SAID__IS_PAIR && ask == ASK_REACH)
        take_pair(c, node, m);
    else
        return err_set(e, ERR_PROTO, "it answers the audit with what was not asked");
    return 0;
}

/* The last word on an ask. */
static void conclude(struct conduct *c, uint32_t node, const Aolani__AuditSaid *m)
{
    struct conduct_seat *s = &c->seats[node];
    enum conduct_ask ask = s->ask;
    s->open = false;
    if (m->error[0]) {
        fail(c, node, m->error, m->hint);
        return;
    }
    if (ask != ASK_LISTEN && ask != ASK_NONE && !s->answered) {
        fail(c, node, "it ended without an answer", NULL);
        return;
    }
    conduct_close(c, node);
    if (ask == ASK_LOOK)
        c->n_over++;
    else if (ask == ASK_MEASURE)
        conduct_measured(c, node);
    else if (ask != ASK_NONE)
        conduct_pair_over(c, node, NULL);
}

int conduct_said(struct conduct *c, uint32_t node, Aolani__AuditSaid *m,
                 uint64_t now_ms, struct err *e)
{
    struct conduct_seat *s = &c->seats[node];
    c->now_ms = now_ms;
    if (!s->open || m->id != s->id)
        return err_set(e, ERR_PROTO,
                       "it answers question %u of the audit, which is not open", m->id);
    int rc = take(c, node, m, e);
    if (rc < 0)
        return rc;
    if (m->last)
        conclude(c, node, m);
    conduct_step(c);
    return 0;
}
