/* SPDX-License-Identifier: MIT */
/* attribute.c - each step as it is closed: who was late, by how much, and whether that is
 * the end or the beginning of a slow time. By what, attribute_charge.c finds out.
 *
 * A step is judged by what was usual before it and only then becomes part of the usual. */
#include "launcher/variance/attribute.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "launcher/variance/attribute_impl.h"

#define EXCESS_PRECISION 7   /* 0.39 % */
#define EXCESS_UNIT      1e4 /* of the median */
#define USUAL_FEW        4u
#define UNSURE           0.20 /* noticeable while the rank's own spread is not known */

int attribute_create(uint32_t world_size, const struct signals *signals,
                     const struct attribute_ops *ops, struct attribute **ret)
{
    struct attribute *a = calloc(1, sizeof *a);
    if (!a)
        return -ENOMEM;
    a->world_size = world_size;
    a->signals = signals;
    if (ops)
        a->ops = *ops;
    a->ranks = calloc(world_size, sizeof *a->ranks);
    a->scratch = calloc(world_size, sizeof *a->scratch);
    a->queue = calloc(ATTRIBUTE_QUEUE, sizeof *a->queue);
    a->spells = calloc(ATTRIBUTE_SPELLS, sizeof *a->spells);
    a->before = calloc(ATTRIBUTE_SPELLS, sizeof *a->before);
    if (!a->ranks || !a->scratch || !a->queue || !a->spells || !a->before ||
        hist_init(&a->excess, EXCESS_PRECISION) < 0) {
        attribute_destroy(a);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < world_size; i++) {
        a->ranks[i].spell = NO_SPELL;
        cusum_init(&a->ranks[i].cusum, world_size > 1);
    }
    *ret = a;
    return 0;
}

void attribute_destroy(struct attribute *a)
{
    if (!a)
        return;
    hist_fini(&a->excess);
    free(a->blames);
    free(a->before);
    free(a->spells);
    free(a->queue);
    free(a->scratch);
    free(a->ranks);
    free(a);
}

/* While a rank is slow, what it did before stays its measure. */
static bool is_frozen(const struct attributed *k)
{
    return k->cusum.slow && !k->cusum.at_once;
}

void attribute_record(void *arg, const struct steprec *r, uint32_t attempt)
{
    struct attribute *a = arg;
    (void)attempt; /* what a rank usually does, it does after a restart, too */
    if (r->flags & STEPREC_HOST_PACED)
        return; /* its wall is not its own */
    if (r->rank < a->world_size && !is_frozen(&a->ranks[r->rank]))
        attribute_learn(&a->ranks[r->rank], r);
}

/* Ranks may be elsewhere after a restart: whether they are slow is to be seen again. */
static void restart(struct attribute *a, const struct steps_closed *c)
{
    for (uint32_t i = 0; i < a->world_size; i++) {
        struct attributed *k = &a->ranks[i];
        if (k->spell != NO_SPELL)
            spell_end(a, i, a->spells[k->spell].last_step, c->now_ms);
        cusum_init(&k->cusum, a->world_size > 1);
        k->toll = (struct toll){0};
    }
    a->attempt = c->attempt;
}

/* ---- who was late */

/* What the rank's busy time is measured against, and the least excess that counts. */
static void measure(const struct attribute *a, const struct steps_closed *c,
                    const struct attributed *k, double *ret_from, double *ret_least)
{
    bool alone = c->n_compared < 2;
    double noticeable = NOTICEABLE, sigmas = SIGMAS * attribute_sigma(a, k);
    *ret_from = alone ? k->busy.median : c->median;
    if (k->busy.n < USUAL_ENOUGH && alone)
        noticeable = INFINITY;
    else if (k->busy.n < USUAL_FEW)
        noticeable = UNSURE;
    else if (k->cusum.slow) { /* that it is no chance is known */
        sigmas = 0;
        noticeable = fmin(noticeable, expm1(k->cusum.after - k->cusum.before) / 2);
    }
    *ret_least = fmax(fmax(sigmas, noticeable * fmax(*ret_from, 1)), RESOLUTION_US);
}

static bool is_culprit(const struct attribute *a, const struct steps_closed *c,
                       const struct steprec *r)
{
    double from, least;
    measure(a, c, &a->ranks[r->rank], &from, &least);
    return steprec_busy_us(r) - from > least;
}

static double excess_of(const struct steps_closed *c, const struct attributed *k,
                        const struct steprec *r)
{
    double from = c->n_compared < 2 ? k->busy.median : c->median;
    if (k->busy.n >= USUAL_ENOUGH)
        from = fmin(from, k->busy.median);
    return steprec_busy_us(r) - from;
}

static void find_culprits(const struct attribute *a, const struct steps_closed *c,
                          struct culprits *ret)
{
    *ret = (struct culprits){0};
    for (size_t i = 0; i < c->n_late && ret->n < ATTRIBUTE_CULPRITS; i++) {
        ret->is[i] = is_culprit(a, c, &c->late[i]);
        ret->n += ret->is[i];
    }
}

/* In a step that its program did not mark the ranks spin or sleep while they wait for the
 * late one, so that their parts rise with it. What the others had in the same step did not
 * make this one late; and where nothing is known of others, nothing is of this one. */
static void against_others(const struct attribute *a, const struct steps_closed *c,
                           struct charge *ret)
{
    struct excess_usual *u = &ret->usual, o = *u;
    if (steprec_is_marked(&ret->r) || a->world_size < 2)
        return;
    if (!steprec_knows_host(&ret->r) || !attribute_others(c, &ret->r, &o)) {
        attribute_forget_host(&ret->r);
        return;
    }
    attribute_doubt(&ret->r, &o, ret->excess_us);
    u->cpu = fmax(u->cpu, o.cpu);
    u->rundelay = fmax(u->rundelay, o.rundelay);
    u->throttled = fmax(u->throttled, o.throttled);
    u->blocked = fmax(u->blocked, o.blocked);
    u->stolen = fmax(u->stolen, o.stolen);
    u->faults = fmax(u->faults, o.faults);
}

static void charge_late(struct attribute *a, const struct steps_closed *c, size_t i,
                        const struct steprec *peer)
{
    const struct steprec *r = &c->late[i];
    const struct attributed *k = &a->ranks[r->rank];
    struct charge charge = {
        .kind = CHARGE_CULPRIT,
        .deadline_ms = c->now_ms + ATTRIBUTE_WAIT_MS,
        .r = *r,
        .excess_us = excess_of(c, k, r),
        .loss_us = (int32_t)r->rank == c->slowest ? (double)c->charged : 0,
        .attempt = c->attempt,
    };
    attribute_usual(a, k, &charge.usual);
    against_others(a, c, &charge);
    if (peer) {
        charge.has_peer = true;
        charge.peer = peer->rank;
        charge.peer_wall = peer->wall_us;
        charge.peer_end_ns = peer->t_end_ns;
    }
    charge_add(a, &charge, c->now_ms);
}

static void charge_culprits(struct attribute *a, const struct steps_closed *c,
                            const struct culprits *of)
{
    const struct steprec *peer = NULL;
    for (size_t i = 0; i < c->n_late; i++)
        peer = of->is[i] ? peer : &c->late[i];
    for (size_t i = 0; i < c->n_late; i++)
        if (of->is[i])
            charge_late(a, c, i, peer);
}

/* ---- is a rank slow */

/* Of two ranks the median is the lesser: each is measured against the other. */
static double others(const struct attribute *a, const struct steps_closed *c,
                     uint32_t i)
{
    if (a->world_size != 2 || c->n_compared != 2)
        return a->world_size == 1 ? 1 : c->median;
    return c->busy[1 - i];
}

static void draws_settle(struct attribute *a, struct attributed *k)
{
    for (uint32_t i = 0; i < k->n_drawn; i++)
        hist_add(&a->excess, k->drawn[i]);
    k->n_drawn = 0;
}

/* Draws of what may turn out to be a slow time are none of the noise that all ranks have
 * (amplify.h), so they wait until it is known. */
static void drawn(struct attribute *a, struct attributed *k,
                  const struct steps_closed *c, uint32_t busy)
{
    double over = busy > c->median ? ((double)busy - c->median) / c->median : 0;
    if (k->cusum.slow) {
        k->n_drawn = 0;
        return;
    }
    if (k->n_drawn == DRAWN || cusum_is_well(&k->cusum))
        draws_settle(a, k);
    k->drawn[k->n_drawn++] = (uint16_t)fmin(over * EXCESS_UNIT + 0.5, UINT16_MAX);
}

static void watch(struct attribute *a, const struct steps_closed *c, uint32_t i)
{
    struct attributed *k = &a->ranks[i];
    double busy = c->busy[i], other = others(a, c, i);
    if (busy > 0 && other > 0)
        spell_news(a, i, cusum_add(&k->cusum, c->step, log(busy / other)), c);
    if (k->toll.steps > 0 && cusum_is_well(&k->cusum)) /* of no spell to be */
        k->toll = (struct toll){0};
    if (!is_frozen(k))
        usual_add(&k->busy, busy);
    if (c->median > 0)
        drawn(a, k, c, c->busy[i]);
}

void attribute_step(void *arg, const struct steps_closed *c)
{
    struct attribute *a = arg;
    struct culprits culprits;
    if (c->attempt != a->attempt)
        restart(a, c);
    if (!c->counted)
        return;
    a->steps++;
    a->t_us += c->t;
    if (c->paced || c->n_late == 0)
        return;
    attribute_peers(a);
    find_culprits(a, c, &culprits);
    charge_culprits(a, c, &culprits);
    small_step(a, c, &culprits);
    common_step(a, c, &culprits);
    for (uint32_t i = 0; i < a->world_size; i++)
        if (c->busy[i] != STEP_ABSENT)
            watch(a, c, i);
    charge_settle(a, c->now_ms, false);
}

void attribute_tick(struct attribute *a, uint64_t now_ms)
{
    charge_settle(a, now_ms, false);
}

void attribute_finish(struct attribute *a, uint64_t now_ms)
{
    charge_settle(a, now_ms, true);
    for (uint32_t i = 0; i < a->world_size; i++)
        draws_settle(a, &a->ranks[i]);
}

bool attribute_is_uneasy(const struct attribute *a)
{
    for (uint32_t i = 0; i < a->world_size; i++)
        if (cusum_is_doubtful(&a->ranks[i].cusum))
            return true;
    return false;
}

/* By what is not of this job. */
static double taken(const struct attribute *a, const double us[MECH_N])
{
    double preempted = a->ops.shared_cores ? 0 : us[MECH_PREEMPTED];
    return us[MECH_STOLEN] + preempted + us[MECH_MEMORY];
}

void attribute_result(struct attribute *a, struct attribution *ret)
{
    charge_top(a);
    for (uint32_t i = 0; i < a->n_spells; i++)
        a->spells[i].what = excess_class(a->spells[i].part, a->spells[i].excess_us);
    *ret = (struct attribution){
        .steps = a->steps,
        .t_us = a->t_us,
        .small_us = a->small_us,
        .outside_us = taken(a, a->loss_us) + taken(a, a->common_us),
        .blames = a->top,
        .n_blames = a->n_blames < ATTRIBUTE_TOP ? a->n_blames : ATTRIBUTE_TOP,
        .spells = a->spells,
        .n_spells = a->n_spells,
        .more_spells = a->more_spells,
        .excess = &a->excess,
    };
    for (int i = 0; i < MECH_N; i++) {
        ret->loss_us[i] = a->loss_us[i];
        ret->common_us[i] = a->common_us[i];
    }
}
