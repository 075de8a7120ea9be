/* SPDX-License-Identifier: MIT */
/* report_variance_view.c - the copy of what a summary says of variance, its ledger, cost
 * and signals. What the kernels did not say is marked here, once, so that neither the page
 * nor run.json takes it for zero. A part of report_view. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/report_view.h"
#include "launcher/variance/excess.h"

void view_free_variance(struct report_view *v)
{
    for (size_t i = 0; v->variance.spells && i < v->variance.n_spells; i++)
        free(v->variance.spells[i].common);
    free(v->variance.spells);
    free(v->variance.blames);
    hist_fini(&v->variance.excess);
    free(v->series);
    free(v->signals);
    v->variance = (struct view_variance){0};
    v->series = NULL;
    v->signals = NULL;
}

/* What run.json takes. Sums of differences may be a hair below zero, and a file that its own
 * reader refuses would lose the whole run. */
static double amount(double x)
{
    return x > 0 ? fmin(x, 1e18) : 0;
}

static void amounts(double to[MECH_N], const double from[MECH_N])
{
    for (int m = 0; m < MECH_N; m++)
        to[m] = amount(from[m]);
}

static bool copy_spells(struct view_variance *to, const struct summary *s)
{
    const struct attribution *from = s->variance;
    to->spells = calloc(from->n_spells + 1, sizeof *to->spells);
    to->n_spells = from->n_spells;
    for (size_t i = 0; to->spells && i < from->n_spells; i++) {
        const struct spell *f = &from->spells[i];
        struct view_spell *t = &to->spells[i];
        *t = (struct view_spell){.rank = f->rank,
                                 .attempt = f->attempt,
                                 .first_step = f->first_step,
                                 .last_step = f->last_step,
                                 .over = f->over,
                                 .what = f->what,
                                 .percent = amount(f->percent),
                                 .excess_us = amount(f->excess_us),
                                 .loss_us = amount(f->loss_us),
                                 .steps = f->steps};
        amounts(t->part_us, f->part);
        if (!(t->common = view_text(i < s->n_spells ? s->spells[i].common : "")))
            return false;
    }
    return to->spells != NULL;
}

static bool copy_blames(struct view_variance *to, const struct attribution *from)
{
    to->blames = calloc(from->n_blames + 1, sizeof *to->blames);
    to->n_blames = from->n_blames;
    for (size_t i = 0; to->blames && i < from->n_blames; i++) {
        const struct blame *f = &from->blames[i];
        to->blames[i] = (struct view_blame){.rank = f->rank,
                                            .first_step = f->first_step,
                                            .last_step = f->last_step,
                                            .what = f->what,
                                            .steps = f->steps,
                                            .loss_us = amount(f->loss_us),
                                            .excess_us = amount(f->excess_us)};
    }
    return to->blames != NULL;
}

static bool copy_attribution(struct view_variance *to, const struct summary *s)
{
    const struct attribution *from = s->variance;
    to->known = true;
    to->steps = from->steps;
    to->more_spells = from->more_spells;
    to->t_us = amount(from->t_us);
    to->small_us = amount(from->small_us);
    to->outside_us = amount(from->outside_us);
    amounts(to->loss_us, from->loss_us);
    amounts(to->common_us, from->common_us);
    if (from->excess && from->excess->counts &&
        (hist_init(&to->excess, from->excess->p) < 0 ||
         hist_merge(&to->excess, from->excess) < 0))
        return false;
    return copy_spells(to, s) && copy_blames(to, from);
}

static bool copy_signals(struct report_view *v, const struct summary *s)
{
    uint64_t seconds = 0;
    v->signals = calloc(s->n_nodes + 1, sizeof *v->signals);
    for (size_t i = 0; v->signals && i < s->n_nodes; i++) {
        signals_node(s->signals, (uint32_t)i, &v->signals[i]);
        seconds += v->signals[i].seconds;
    }
    if (!v->signals)
        return false;
    if (seconds == 0) { /* no node ever spoke */
        free(v->signals);
        v->signals = NULL;
    }
    return true;
}

/* Mechanisms of which nothing could have been seen. One that was seen all the same, by the
 * ranks themselves, was measured. */
static uint32_t not_measured(const struct report_view *v)
{
    const struct view_variance *a = &v->variance;
    bool steal = false, triad = false;
    uint32_t bits = 0, seen = 0;
    for (size_t i = 0; v->signals && i < v->n_nodes; i++) {
        steal = steal || !isnan(v->signals[i].steal_share);
        triad = triad || !isnan(v->signals[i].triad_mbytes);
    }
    for (size_t i = 0; i < v->n_ranks; i++)
        steal = steal || v->ranks[i].steps.stolen_sum > 0;
    for (int m = 0; m < MECH_N; m++)
        seen |= a->loss_us[m] > 0 || a->common_us[m] > 0 ? 1u << m : 0;
    bits |= steal ? 0 : 1u << MECH_STOLEN;
    bits |= triad ? 0 : 1u << MECH_MEMORY;
    bits |= v->signals ? 0 : 1u << MECH_GPU | 1u << MECH_LINK;
    return a->known ? bits & ~seen : 0;
}

int view_copy_variance(struct report_view *v, const struct summary *s)
{
    if (s->variance && !copy_attribution(&v->variance, s))
        return -ENOMEM;
    if (s->series && !(v->series = malloc(sizeof *v->series)))
        return -ENOMEM;
    if (s->series)
        *v->series = *s->series;
    if (s->signals && !copy_signals(v, s))
        return -ENOMEM;
    v->has_ledger = s->ledger != NULL;
    if (s->ledger)
        v->ledger = *s->ledger;
    v->cost = s->cost;
    v->variance.not_measured = not_measured(v);
    return 0;
}

bool view_late(const struct report_view *v, uint32_t rank, struct view_late *ret)
{
    const struct view_variance *a = &v->variance;
    *ret = (struct view_late){.first_step = UINT32_MAX};
    for (size_t i = 0; i < a->n_blames; i++) {
        const struct view_blame *b = &a->blames[i];
        if (b->rank != rank)
            continue;
        ret->steps += b->steps < UINT64_MAX - ret->steps ? b->steps : 0;
        ret->first_step =
            b->first_step < ret->first_step ? b->first_step : ret->first_step;
        ret->last_step = b->last_step > ret->last_step ? b->last_step : ret->last_step;
        ret->loss_us += b->loss_us;
        ret->excess_us += b->excess_us;
        ret->part_us[b->what < MECH_N ? b->what : MECH_UNKNOWN] += b->excess_us;
    }
    ret->what = excess_class(ret->part_us, ret->excess_us);
    return ret->steps > 0;
}

double *view_late_costs(const struct report_view *v)
{
    const struct view_variance *a = &v->variance;
    double *cost = calloc(v->n_ranks + 1, sizeof *cost);
    for (size_t i = 0; cost && i < a->n_blames; i++) {
        const struct view_blame *b = &a->blames[i];
        if (b->rank < v->n_ranks)
            cost[b->rank] += v->n_ranks > 1 ? b->loss_us : b->excess_us;
    }
    return cost;
}
