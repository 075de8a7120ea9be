/* SPDX-License-Identifier: MIT */
/* conduct_pairs.c - two nodes meet: one listens, is told to the other with a token that only
 * these two know, and the other comes and measures; so for each rail. Pairs of a round go at once, but for
 * those that share a machine, which would share its cores and its links. */
#include "launcher/audit/conduct_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAIR_LEAST_MS    100u
#define PAIR_MOST_MS     1500u
#define PAIR_OVERHEAD_MS 30u /* the messages around it, on a busy machine */
#define LISTEN_LIMIT_MS  2000u
#define COME_LIMIT_MS    3000u /* for the one that comes, beyond the measuring */
#define ANSWER_SLACK_MS  3000u
#define OVERTIME_MS      3000u /* beyond the budget; then no pair is begun any more */

/* ---------------------------------------------------------------- a round */

static bool can_meet(const struct conduct *c, uint32_t node)
{
    return c->seats[node].usable && c->config.addresses && c->config.addresses[node];
}

/* Pairs that have to wait for each other, at most. */
static uint32_t count_in_row(const struct conduct *c)
{
    uint32_t most = 1;
    uint32_t *n = calloc(c->n_machines + 1, sizeof *n);
    for (size_t i = 0; n && i < c->n_queue; i++) {
        uint32_t a = c->seats[c->queue[i].a].machine;
        uint32_t b = c->seats[c->queue[i].b].machine;
        n[a]++;
        n[b] += b != a;
        most = n[a] > most ? n[a] : most;
        most = n[b] > most ? n[b] : most;
    }
    free(n);
    return most;
}

/* A node that was waited for in vain takes no time from these. */
static uint64_t pairs_end_ms(const struct conduct *c)
{
    uint64_t share = c->config.budget_ms * (100 - MEASURE_SHARE) / 100;
    uint64_t end = c->looked_ms + c->config.budget_ms;
    return c->pairs_ms + share > end ? c->pairs_ms + share : end;
}

static uint32_t most_rails(const struct conduct *c)
{
    uint32_t most = 1;
    for (size_t i = 0; i < c->n_queue; i++)
        most = c->queue[i].n_rails > most ? c->queue[i].n_rails : most;
    return most;
}

static void note_fit(struct conduct *c, uint32_t rails)
{
    if (c->audit->rails_fit == 0 || rails < c->audit->rails_fit)
        c->audit->rails_fit = rails;
}

/* The rails of a pair share its time, as many as have enough of it. */
static void share_time(struct conduct *c)
{
    uint64_t end = pairs_end_ms(c), left = end > c->now_ms ? end - c->now_ms : 0;
    uint32_t rounds = c->round < CONDUCT_ROUNDS ? CONDUCT_ROUNDS - c->round : 1;
    uint32_t most = most_rails(c);
    uint64_t ms = left / rounds / count_in_row(c);
    uint64_t fit = ms / (PAIR_LEAST_MS + PAIR_OVERHEAD_MS);
    c->rails_fit = fit < 1 ? 1 : fit > most ? most : (uint32_t)fit;
    if (c->rails_fit < most && c->round < ROUNDS_FIRST)
        note_fit(c, c->rails_fit);
    c->pair_ms = ms;
    ms /= c->rails_fit;
    ms = ms > PAIR_OVERHEAD_MS ? ms - PAIR_OVERHEAD_MS : 0;
    ms = ms < PAIR_LEAST_MS ? PAIR_LEAST_MS : ms;
    c->pair_budget_ms = ms > PAIR_MOST_MS ? PAIR_MOST_MS : ms;
}

static bool begin_round(struct conduct *c)
{
    size_t n = c->audit->n;
    bool *usable = calloc(n + 1, sizeof *usable);
    if (!usable)
        return false;
    for (uint32_t i = 0; i < n; i++)
        usable[i] = can_meet(c, i);
    c->n_queue = rounds_next(c->audit, usable, c->round, c->config.seed, c->queue);
    free(usable);
    c->n_left = c->n_queue;
    c->n_of = (uint32_t)c->n_queue;
    c->n_over = 0;
    share_time(c);
    return c->n_queue > 0;
}

/* ---------------------------------------------------------------- a meeting */

static struct audit_pair *pair_of(const struct conduct *c, uint32_t node)
{
    uint32_t at = c->seats[node].meeting;
    return at == CONDUCT_NONE ? NULL : &c->audit->pairs[c->meetings[at].index];
}

static void begin_rail(struct conduct *c, uint32_t at);

static void end_meeting(struct conduct *c, uint32_t at)
{
    const struct rounds_pair *p = &c->meetings[at].who;
    c->seats[p->a].meeting = c->seats[p->b].meeting = CONDUCT_NONE;
    c->machines[c->seats[p->a].machine].busy = false;
    c->machines[c->seats[p->b].machine].busy = false;
    memset(&c->meetings[at], 0, sizeof c->meetings[at]);
    c->n_meetings--;
    c->n_over++;
}

static void note_rail(struct conduct_meeting *t, const struct audit_pair *own)
{
    bool rdma = own->p && own->p->transport && !strcmp(own->p->transport, "rdma");
    t->failed = own->p ? 0 : t->failed + 1;
    t->by_tcp += own->p && !rdma;
}

/* Nodes that do not come together at all are not waited for on each rail; and where RDMA is
 * not to be had the address is the same for all of them. */
static bool is_pointless(const struct conduct *c, const struct conduct_meeting *t)
{
    uint32_t enough = c->round == 0 ? 1 : 0;
    return t->failed > 1 || (t->by_tcp > enough && !c->by_rdma) ||
           !can_meet(c, t->who.a) || !can_meet(c, t->who.b);
}

static void next_rail(struct conduct *c, uint32_t at)
{
    struct conduct_meeting *t = &c->meetings[at];
    note_rail(t, &c->audit->pairs[t->index]);
    bool over = t->next >= t->who.n_rails || t->next >= c->rails_fit;
    if (!over && is_pointless(c, t))
        over = true;
    else if (!over && c->now_ms > t->began_ms + c->pair_ms + c->pair_ms / 4) {
        if (t->failed == 0)
            note_fit(c, t->next);
        over = true;
    }
    if (over)
        end_meeting(c, at);
    else
        begin_rail(c, at);
}

void conduct_pair_result(struct conduct *c, uint32_t node, Aolani__AuditPair *p)
{
    struct audit_pair *own = pair_of(c, node);
    if (!own || own->p) {
        aolani__audit_pair__free_unpacked(p, NULL);
        return;
    }
    own->p = p;
    /* That the other end has given up since is no matter any more. */
    free(own->error);
    own->error = NULL;
    c->by_rdma = c->by_rdma || (p->transport && !strcmp(p->transport, "rdma"));
}

void conduct_pair_over(struct conduct *c, uint32_t node, const char *error)
{
    uint32_t at = c->seats[node].meeting;
    struct audit_pair *own = pair_of(c, node);
    if (!own)
        return;
    /* Whoever comes knows best why it did not: what the other end says only follows. */
    if (error && !own->p && (!own->error || node == own->a))
        conduct_text(&own->error, error);
    if (--c->meetings[at].n_open == 0)
        next_rail(c, at);
}

static const char *nic_of(const struct conduct *c, const struct conduct_meeting *t,
                          uint32_t node)
{
    uint32_t rail = c->audit->pairs[t->index].rail;
    return t->who.n_rails ? c->audit->nodes[node].rails[rail] : "";
}

static bool add_pair(struct conduct *c, struct conduct_meeting *t)
{
    struct audit *d = c->audit;
    struct audit_pair *more = realloc(d->pairs, (d->n_pairs + 1) * sizeof *more);
    if (!more)
        return false;
    d->pairs = more;
    t->index = d->n_pairs++;
    d->pairs[t->index] =
        (struct audit_pair){.a = t->who.a,
                            .b = t->who.b,
                            .round = c->round,
                            .rail = t->who.n_rails ? t->who.rails[t->next] : 0};
    t->next++;
    return true;
}

/* No memory: it does without. */
static void begin_rail(struct conduct *c, uint32_t at)
{
    Aolani__AuditListen listen = AOLANI__AUDIT_LISTEN__INIT;
    Aolani__AuditAsk m = AOLANI__AUDIT_ASK__INIT;
    struct conduct_meeting *t = &c->meetings[at];
    uint32_t b = t->who.b;
    if (!add_pair(c, t)) {
        end_meeting(c, at);
        return;
    }
    t->heard = false;
    t->n_open = 1;
    c->ops.token(c->arg, t->token);
    listen.token.data = t->token;
    listen.token.len = sizeof t->token;
    listen.address = (char *)c->config.addresses[b];
    listen.nic = (char *)nic_of(c, t, b);
    listen.limit_ms = c->pair_budget_ms + COME_LIMIT_MS;
    m.is_case = AOLANI__AUDIT_ASK__IS_LISTEN;
    m.listen = &listen;
    if (conduct_ask(c, b, ASK_LISTEN, &m, LISTEN_LIMIT_MS) < 0)
        conduct_pair_over(c, b, "it could not be asked to listen");
}

static void begin_meeting(struct conduct *c, const struct rounds_pair *q)
{
    uint32_t at = 0;
    while (c->meetings[at].taken)
        at++;
    c->meetings[at] =
        (struct conduct_meeting){.taken = true, .who = *q, .began_ms = c->now_ms};
    c->n_meetings++;
    c->seats[q->a].meeting = c->seats[q->b].meeting = at;
    c->machines[c->seats[q->a].machine].busy = true;
    c->machines[c->seats[q->b].machine].busy = true;
    begin_rail(c, at);
}

/* The partner listens: now the other one is told where. */
void conduct_listening(struct conduct *c, uint32_t node, uint32_t port)
{
    Aolani__AuditReach reach = AOLANI__AUDIT_REACH__INIT;
    Aolani__AuditAsk m = AOLANI__AUDIT_ASK__INIT;
    const struct audit_pair *p = pair_of(c, node);
    uint32_t at = c->seats[node].meeting;
    if (!p || c->meetings[at].heard)
        return;
    struct conduct_meeting *t = &c->meetings[at];
    t->heard = true;
    c->seats[node].deadline_ms =
        c->now_ms + c->pair_budget_ms + COME_LIMIT_MS + ANSWER_SLACK_MS;
    t->n_open++;
    uint32_t a = p->a;
    reach.token.data = t->token;
    reach.token.len = sizeof t->token;
    reach.address = (char *)c->config.addresses[node];
    reach.port = port;
    reach.nic = (char *)nic_of(c, t, a);
    reach.budget_ms = c->pair_budget_ms;
    m.is_case = AOLANI__AUDIT_ASK__IS_REACH;
    m.reach = &reach;
    if (!c->seats[a].usable)
        conduct_pair_over(c, a, "it was lost meanwhile");
    else if (conduct_ask(c, a, ASK_REACH, &m,
                         reach.budget_ms + COME_LIMIT_MS + ANSWER_SLACK_MS) < 0)
        conduct_pair_over(c, a, "it could not be asked to measure");
}

/* ---------------------------------------------------------------- all rounds */

static bool is_free(const struct conduct *c, uint32_t node)
{
    return !c->machines[c->seats[node].machine].busy;
}

/* Those of the round that disturb none of those under way. */
static void begin_meetings(struct conduct *c)
{
    bool late = c->now_ms > pairs_end_ms(c) + OVERTIME_MS;
    for (size_t i = 0; i < c->n_queue && c->n_left > 0; i++) {
        struct rounds_pair *q = &c->queue[i];
        bool lost = q->a != q->b && !(can_meet(c, q->a) && can_meet(c, q->b));
        if (q->a == q->b)
            continue;
        if (lost || late)
            c->n_over++;
        else if (is_free(c, q->a) && is_free(c, q->b))
            begin_meeting(c, q);
        else
            continue;
        q->b = q->a;
        c->n_left--;
    }
}

bool conduct_pairs_step(struct conduct *c)
{
    for (;;) {
        if (c->n_left > 0)
            begin_meetings(c);
        conduct_tell(c, NULL);
        if (c->n_meetings > 0)
            return true;
        if (c->n_left > 0)
            continue;
        c->round += c->began;
        c->began = true;
        if (c->round >= CONDUCT_ROUNDS || !begin_round(c))
            return false;
    }
}
