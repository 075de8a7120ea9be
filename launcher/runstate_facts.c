/* SPDX-License-Identifier: MIT */
/* runstate_facts.c - what follows from the attempts of a run, whoever knows them. */
#include "launcher/runstate.h"

#include <string.h>

#include "proto/wire/steprec.h"

const struct runstate_attempt *runstate_last(const struct runstate *r)
{
    return r->n_attempts ? &r->attempts[r->n_attempts - 1] : NULL;
}

/* While ranks are asked to save, those that stand still do so all the same. */
static bool has_ranks(const struct runstate_attempt *a)
{
    return !a->ended &&
           (strcmp(a->phase, "start") == 0 || strcmp(a->phase, "save") == 0);
}

const struct runstate_stall *runstate_stall(const struct runstate *r)
{
    const struct runstate_stall *k = &r->stall;
    const struct runstate_attempt *a = runstate_last(r);
    if (!a || a->attempt != k->attempt || k->heads != r->heads || r->over)
        return NULL;
    return !k->over && has_ranks(a) ? k : NULL;
}

bool runstate_best_step(const struct runstate *r, uint64_t *ret)
{
    bool known = false;
    for (size_t i = 0; i < r->n_attempts; i++) {
        const struct runstate_attempt *a = &r->attempts[i];
        if (!a->has_step || (known && a->last_step <= *ret))
            continue;
        *ret = a->last_step;
        known = true;
    }
    return known;
}

struct fruits {
    uint64_t best;
    bool any, known; /* some step was ended; one that is counted: best is the highest */
    unsigned n;
};

static void count_fruit(struct fruits *f, const struct runstate_attempt *a)
{
    f->n++;
    if (a->uncounted) {
        f->any = true;
        f->n = 0;
    }
    if (!a->has_step || (f->known && a->last_step <= f->best))
        return;
    f->best = a->last_step;
    f->any = f->known = true;
    f->n = 0;
}

static struct fruits fruits_of(const struct runstate *r)
{
    struct fruits f = {0};
    for (size_t i = 0; i < r->n_attempts; i++) {
        const struct runstate_attempt *a = &r->attempts[i];
        if (a->world_size > 0)
            count_fruit(&f, a);
    }
    return f;
}

unsigned runstate_fruitless(const struct runstate *r)
{
    struct fruits f = fruits_of(r);
    return f.any ? f.n : 0;
}

unsigned runstate_fruitless_with(const struct runstate *r, bool ran,
                                 const struct runstate_attempt *a)
{
    struct fruits f = fruits_of(r);
    if (ran)
        count_fruit(&f, a);
    return f.any ? f.n : 0;
}

bool runstate_renumbered(const struct runstate *r)
{
    bool any = false;
    for (size_t i = 0; i < r->n_attempts; i++)
        any = any || r->attempts[i].uncounted == STEPREC_LOG;
    return any;
}

bool runstate_done_step(const struct runstate *r, uint64_t *ret)
{
    bool known = false;
    for (size_t i = 0; i < r->n_attempts; i++) {
        const struct runstate_attempt *a = &r->attempts[i];
        if (!a->ended || !a->has_step || (known && a->last_step <= *ret))
            continue;
        *ret = a->last_step;
        known = true;
    }
    return known;
}

uint64_t runstate_ledger(const struct runstate *r, uint64_t former_ns,
                         struct ledger *ret)
{
    struct ledger sum = {0};
    uint64_t known_ns = 0, own_ns = 0;
    for (size_t i = 0; i < r->n_attempts; i++) {
        const struct runstate_attempt *a = &r->attempts[i];
        if (!a->ended)
            continue;
        for (int row = 0; row < LEDGER_ROWS; row++)
            sum.us[row] += a->ledger.us[row];
        sum.hangs += a->ledger.hangs;
        *(a->ours ? &own_ns : &known_ns) += a->wall_ns;
    }
    if (former_ns > known_ns)
        sum.us[LEDGER_RESTART] += (former_ns - known_ns) / 1000;
    *ret = sum;
    return (former_ns > known_ns ? former_ns : known_ns) + own_ns;
}

unsigned runstate_restarts(const struct runstate *r)
{
    unsigned n = 0;
    for (size_t i = 0; i < r->n_attempts; i++)
        n += r->attempts[i].spent;
    return n;
}
