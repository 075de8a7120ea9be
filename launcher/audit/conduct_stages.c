/* SPDX-License-Identifier: MIT */
/* conduct_stages.c - what comes next: all look, then are measured, then meet. Nodes that
 * share a machine are measured one after another, each with its part of the time: at once
 * they would measure each other. */
#include "launcher/audit/conduct_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEASURE_LEAST_MS 200u
#define MEASURE_MOST_MS  15000u
#define MEASURE_SLACK_MS 5000u /* of a busy node, beyond what it was allowed */

/* Of the whole, as people wait for it: where a stage begins. */
#define PERCENT_LOOKED   10u
#define PERCENT_MEASURED 60u

/* ---------------------------------------------------------------- machines */

struct place {
    const char *machine;
    uint32_t node;
};

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    int by = strcmp(x->machine, y->machine);
    return by ? by : (x->node > y->node) - (x->node < y->node);
}

/* Nodes by the machine they are on; of whom it is not known has one of its own. */
int conduct_group(struct conduct *c)
{
    uint32_t n = (uint32_t)c->audit->n;
    struct place *all = calloc(n + 1, sizeof *all);
    if (!all)
        return -ENOMEM;
    for (uint32_t i = 0; i < n; i++) {
        const char *machine = c->audit->nodes[i].machine;
        all[i] = (struct place){machine ? machine : "", i};
        c->seats[i].meeting = CONDUCT_NONE;
    }
    qsort(all, n, sizeof *all, compare_places);
    for (uint32_t i = 0; i < n; i++) {
        bool same = i > 0 && all[i].machine[0] &&
                    strcmp(all[i].machine, all[i - 1].machine) == 0;
        if (!same)
            c->machines[c->n_machines++].first = i;
        c->machines[c->n_machines - 1].n++;
        c->order[i] = all[i].node;
        c->seats[all[i].node].machine = c->n_machines - 1;
    }
    free(all);
    return 0;
}

/* ---------------------------------------------------------------- for people */

static unsigned percent_of(const struct conduct *c)
{
    unsigned measured_at = c->audit->paired ? PERCENT_MEASURED : 100;
    unsigned looked_at = c->config.measure  ? PERCENT_LOOKED
                         : c->audit->paired ? PERCENT_MEASURED
                                            : 100;
    uint64_t of = c->n_of ? 100ull * c->n_of : 1;
    if (c->stage == STAGE_LOOK)
        return (unsigned)(100ull * c->n_over * looked_at / of);
    if (c->stage == STAGE_MEASURE)
        return looked_at + (unsigned)((100ull * c->n_over + c->sum_percent) *
                                      (measured_at - looked_at) / of);
    if (c->stage != STAGE_PAIRS)
        return c->stage == STAGE_DONE ? 100 : 0;
    uint64_t done = 100ull * c->round / CONDUCT_ROUNDS +
                    100ull * c->n_over / CONDUCT_ROUNDS / (c->n_of ? c->n_of : 1);
    done = done < 100 ? done : 100;
    return measured_at + (unsigned)(done * (100 - measured_at) / 100);
}

/* now_at: a node's own words, of use where there is one node alone. */
void conduct_tell(struct conduct *c, const char *now_at)
{
    char text[120];
    if (!c->ops.progress || c->stage == STAGE_IDLE || c->stage == STAGE_DONE)
        return;
    const char *what = c->stage == STAGE_LOOK      ? "looking"
                       : c->stage == STAGE_MEASURE ? "measuring"
                                                   : "trying pairs";
    if (c->stage == STAGE_PAIRS)
        (void)snprintf(text, sizeof text, "%s, round %u: %u of %u", what, c->round + 1,
                       c->n_over, c->n_of);
    else if (c->audit->n > 1)
        (void)snprintf(text, sizeof text, "%s, %u of %u nodes", what, c->n_over,
                       c->n_of);
    else
        (void)snprintf(text, sizeof text, "%s%s%.80s", what,
                       now_at && now_at[0] ? ": " : "",
                       now_at && now_at[0] ? now_at : "");
    c->ops.progress(c->arg, text, percent_of(c));
}

/* ---------------------------------------------------------------- measuring */

static uint32_t count_usable(const struct conduct *c, const struct conduct_machine *m)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->n; i++)
        n += c->seats[c->order[m->first + i]].usable;
    return n;
}

static void measure_next(struct conduct *c, struct conduct_machine *mc)
{
    while (!mc->busy && mc->next < mc->n) {
        uint32_t node = c->order[mc->first + mc->next++];
        Aolani__AuditMeasure measure = AOLANI__AUDIT_MEASURE__INIT;
        Aolani__AuditAsk m = AOLANI__AUDIT_ASK__INIT;
        if (!c->seats[node].usable)
            continue;
        measure.budget_ms = mc->budget_ms;
        m.is_case = AOLANI__AUDIT_ASK__IS_MEASURE;
        m.measure = &measure;
        mc->busy = true;
        if (conduct_ask(c, node, ASK_MEASURE, &m,
                        mc->budget_ms * 3 / 2 + MEASURE_SLACK_MS) < 0) {
            conduct_text(&c->audit->nodes[node].measure_error, "it could not be asked");
            conduct_measured(c, node);
        }
    }
}

/* The node's turn is over. */
void conduct_measured(struct conduct *c, uint32_t node)
{
    c->machines[c->seats[node].machine].busy = false;
    c->n_over++;
}

static void begin_measuring(struct conduct *c)
{
    uint64_t budget = c->config.budget_ms;
    c->stage = STAGE_MEASURE;
    c->n_over = c->n_of = 0;
    for (uint32_t i = 0; i < c->n_machines; i++)
        c->n_of += count_usable(c, &c->machines[i]);
    if (c->audit->paired && c->n_of > 1)
        budget = budget * MEASURE_SHARE / 100;
    for (uint32_t i = 0; i < c->n_machines; i++) {
        struct conduct_machine *m = &c->machines[i];
        uint32_t n = count_usable(c, m);
        m->budget_ms = n ? budget / n : 0;
        if (m->budget_ms < MEASURE_LEAST_MS)
            m->budget_ms = MEASURE_LEAST_MS;
        if (m->budget_ms > MEASURE_MOST_MS)
            m->budget_ms = MEASURE_MOST_MS;
    }
}

static bool measure_step(struct conduct *c)
{
    for (uint32_t i = 0; i < c->n_machines && c->n_over < c->n_of; i++)
        measure_next(c, &c->machines[i]);
    conduct_tell(c, NULL);
    return c->n_awaited > 0;
}

/* ---------------------------------------------------------------- one after another */

static void finish(struct conduct *c)
{
    c->stage = STAGE_DONE;
    c->audit->took_s = (double)(c->now_ms - c->start_ms) / 1000.0;
    c->ops.done(c->arg);
}

/* true: another stage has begun, and may be over at once. */
static bool advance(struct conduct *c)
{
    switch (c->stage) {
    case STAGE_LOOK:
        conduct_tell(c, NULL);
        if (c->n_awaited > 0)
            return false;
        if (c->config.measure)
            begin_measuring(c);
        else
            c->stage = STAGE_PAIRS;
        c->looked_ms = c->pairs_ms = c->now_ms;
        return true;
    case STAGE_MEASURE:
        if (measure_step(c))
            return false;
        c->stage = STAGE_PAIRS;
        c->pairs_ms = c->now_ms;
        c->n_over = c->n_of = 0;
        return true;
    case STAGE_PAIRS:
        if (c->audit->paired && conduct_pairs_step(c))
            return false;
        finish(c);
        return false;
    default:
        return false;
    }
}

/* An ask that fails at once calls back into what is being done; it is done here then. */
void conduct_step(struct conduct *c)
{
    if (c->in_step)
        return;
    c->in_step = true;
    while (advance(c))
        ;
    c->in_step = false;
}
