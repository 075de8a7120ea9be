/* SPDX-License-Identifier: MIT */
/* attribute_spell.c - the times in which a rank was slow, and what was charged in them.
 *
 * A spell is known of some steps after it began; what was charged to the rank since the
 * CUSUM left 0 is kept for that. And a late step may be charged after the spell was noticed
 * to be over, when its signals come: it finds its spell by its step. A spell is told of
 * behind the late steps that wait, so that its parts are there. */
#include <math.h>
#include <string.h>

#include "launcher/variance/attribute_impl.h"

void toll_add(struct toll *t, const struct excess *x, double loss_us)
{
    t->steps++;
    t->excess_us += x->us;
    t->loss_us += loss_us;
    for (int i = 0; i < MECH_N; i++)
        t->part[i] += x->part[i];
}

static uint64_t key_of(uint32_t attempt, uint32_t step)
{
    return (uint64_t)attempt << 32 | step;
}

struct spell *spell_of(struct attribute *a, uint32_t rank, uint32_t attempt,
                       uint32_t step)
{
    uint64_t key = key_of(attempt, step);
    for (uint32_t i = a->ranks[rank].spell; i != NO_SPELL; i = a->before[i]) {
        struct spell *s = &a->spells[i];
        if (key < key_of(s->attempt, s->first_step))
            continue;
        bool within = !s->over || key <= key_of(s->attempt, s->last_step);
        return within ? s : NULL;
    }
    return NULL;
}

static void tell_later(struct attribute *a, uint32_t spell, bool over, uint64_t now_ms)
{
    struct charge c = {.kind = CHARGE_SPELL, .spell = spell, .over = over};
    charge_add(a, &c, now_ms);
}

static void spell_begin(struct attribute *a, uint32_t rank,
                        const struct steps_closed *c)
{
    struct attributed *k = &a->ranks[rank];
    if (a->n_spells == ATTRIBUTE_SPELLS) {
        a->more_spells++;
        return;
    }
    uint32_t i = a->n_spells++;
    struct spell *s = &a->spells[i];
    *s = (struct spell){
        .rank = rank,
        .attempt = c->attempt,
        .first_step = k->cusum.since,
        .last_step = c->step,
        .from_ms = c->now_ms,
        .to_ms = c->now_ms,
        .percent = 100 * expm1(k->cusum.after - k->cusum.before),
        .steps = k->toll.steps,
        .excess_us = k->toll.excess_us,
        .loss_us = k->toll.loss_us,
    };
    memcpy(s->part, k->toll.part, sizeof s->part);
    k->toll = (struct toll){0};
    a->before[i] = k->spell;
    k->spell = i;
    tell_later(a, i, false, c->now_ms);
}

static double percent_of(const struct cusum *c)
{
    return 100 * expm1(cusum_size(c));
}

void spell_end(struct attribute *a, uint32_t rank, uint32_t last_step, uint64_t now_ms)
{
    uint32_t i = a->ranks[rank].spell;
    if (i == NO_SPELL || a->spells[i].over)
        return;
    a->spells[i].percent = percent_of(&a->ranks[rank].cusum);
    a->spells[i].last_step = last_step;
    a->spells[i].to_ms = now_ms;
    a->spells[i].over = true;
    tell_later(a, i, true, now_ms);
}

void spell_news(struct attribute *a, uint32_t rank, enum cusum_news news,
                const struct steps_closed *c)
{
    struct attributed *k = &a->ranks[rank];
    if (news == CUSUM_SLOW) {
        spell_begin(a, rank, c);
    } else if (news == CUSUM_RECOVERED) {
        spell_end(a, rank, k->cusum.recovered, c->now_ms);
    } else if (k->cusum.slow && k->spell != NO_SPELL && !a->spells[k->spell].over) {
        a->spells[k->spell].percent = percent_of(&k->cusum);
        a->spells[k->spell].last_step = c->step;
        a->spells[k->spell].to_ms = c->now_ms;
    }
}

void spell_tell(struct attribute *a, const struct charge *c)
{
    struct spell *s = &a->spells[c->spell];
    s->what = excess_class(s->part, s->excess_us);
    struct spell copy = *s;
    copy.over = c->over; /* it may have ended since */
    if (a->ops.spell)
        a->ops.spell(a->ops.arg, &copy);
}
