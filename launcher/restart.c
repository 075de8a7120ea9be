/* SPDX-License-Identifier: MIT */
/* restart.c - see restart.h. */
#include "launcher/restart.h"

enum row {
    ENDS,   /* for good */
    OPENS,  /* to be continued */
    PORTS,  /* again, a few times, as if it had never been */
    FAILS,  /* again while restarts are left; else for good */
    BREAKS, /* the same, on other nodes; else for good, or open where a chain goes on */
    BOOTS,  /* as BREAKS, once ranks have run; before that only without the nodes */
};

#define CAUSE_NAME(name, words) [RESTART_##name] = words,
static const char *const names[] = {RESTART_CAUSES(CAUSE_NAME)};

static const enum row rows[RESTART_N_CAUSES] = {
    [RESTART_SUCCESS] = ENDS, [RESTART_NO_MORE] = ENDS, [RESTART_USER] = ENDS,
    [RESTART_USAGE] = ENDS,   [RESTART_REFUSED] = ENDS, [RESTART_BINDING] = ENDS,
    [RESTART_PORT] = PORTS,   [RESTART_SAVED] = OPENS,  [RESTART_LIMIT] = OPENS,
    [RESTART_SLURM] = OPENS,  [RESTART_RANK] = FAILS,   [RESTART_NODE] = BREAKS,
    [RESTART_BOOT] = BOOTS,   [RESTART_ERROR] = ENDS,   [RESTART_UNCLEAN] = ENDS,
};

const char *restart_cause_name(enum restart_cause c)
{
    return names[c];
}

/* Which nodes the next attempt would have; END: there are too few. */
static enum restart_act act_on_nodes(const struct restart_facts *f)
{
    uint32_t left = f->n_nodes - (f->n_lost < f->n_nodes ? f->n_lost : f->n_nodes);
    if (f->n_lost == 0)
        return RESTART_AGAIN;
    if (f->n_spares >= f->n_lost)
        return RESTART_SPARE;
    if (f->min_nodes > 0 && left > 0 && left + f->n_spares >= f->min_nodes)
        return RESTART_WITHOUT;
    return RESTART_END;
}

static uint64_t delay_of(const struct restart_facts *f)
{
    uint64_t ms = RESTART_PAUSE_MS;
    for (unsigned i = 1; i < f->in_row && ms < RESTART_LAST_PAUSE_MS; i++)
        ms *= 2;
    ms = ms < RESTART_LAST_PAUSE_MS ? ms : RESTART_LAST_PAUSE_MS;
    return f->n_lost > 0 && f->ran && ms < f->lease_ms ? f->lease_ms : ms;
}

/* It ended, and why was not the program's wish. */
static void decide_failure(const struct restart_facts *f, enum row row,
                           struct restart_decision *d)
{
    bool breaks = row != FAILS;
    if (f->unclean) { /* what is left there would compute beside the next attempt */
        d->unproven = f->restarts < f->max_restarts;
        return;
    }
    if (f->asked_to_save) {
        d->act = RESTART_OPEN;
        return;
    }
    enum restart_act act = act_on_nodes(f);
    bool free_of_cost = row == BOOTS && !f->ran && act == RESTART_WITHOUT;
    bool may = f->restarts < f->max_restarts && (row != BOOTS || f->ran);
    if (act != RESTART_END && (may || free_of_cost)) {
        d->act = act;
        d->spends = !free_of_cost;
        d->delay_ms = free_of_cost ? 0 : delay_of(f);
        return;
    }
    d->exhausted = f->max_restarts > 0 && f->restarts >= f->max_restarts;
    d->act = breaks && f->later ? RESTART_OPEN : RESTART_END;
}

void restart_decide(const struct restart_facts *f, struct restart_decision *ret)
{
    struct restart_decision d = {.act = RESTART_END};
    enum row row = rows[f->cause];
    switch (row) {
    case ENDS:
        break;
    case OPENS:
        d.act = RESTART_OPEN;
        break;
    case PORTS:
        if (f->ports <= RESTART_PORTS && !f->unclean)
            d.act = RESTART_AGAIN;
        break;
    case FAILS:
    case BREAKS:
    case BOOTS:
        decide_failure(f, row, &d);
        break;
    }
    if (row != ENDS && row != PORTS && f->fruitless >= RESTART_FRUITLESS) {
        bool other_nodes = row == BOOTS && !f->ran;
        if (!other_nodes && f->cause != RESTART_SLURM)
            d = (struct restart_decision){.act = RESTART_END, .fruitless = true};
    }
    *ret = d;
}
