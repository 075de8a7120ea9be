/* SPDX-License-Identifier: MIT */
/* steps.c - records in, statistics out.
 *
 * A record counts twice, independently: in its rank's own statistics, always, and in the
 * step that all ranks make together, where it is compared with the others. So a record
 * that comes too late for its step, or whose step never became whole, is lost for the
 * comparison alone. A rank whose step number does not rise has been restarted; its steps
 * then belong to its next attempt and are never mixed with the first one's.
 */
#include <errno.h>
#include <stdlib.h>

#include "launcher/variance/steps_impl.h"

#define CLOSE_AFTER_MS 2000

int steps_create(uint32_t world_size, uint32_t warmup, const struct steps_ops *ops,
                 struct steps **ret)
{
    struct steps *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->world_size = world_size;
    s->warmup = warmup;
    if (ops)
        s->ops = *ops;
    s->ranks = calloc(world_size, sizeof *s->ranks);
    s->scratch = calloc(world_size, sizeof *s->scratch);
    if (!s->ranks || !s->scratch || stepwindow_init(&s->window, world_size) < 0 ||
        hist_init(&s->t, JOB_PRECISION) < 0) {
        steps_destroy(s);
        return -ENOMEM;
    }
    *ret = s;
    return 0;
}

void steps_destroy(struct steps *s)
{
    if (!s)
        return;
    for (uint32_t i = 0; s->ranks && i < s->world_size; i++) {
        hist_fini(&s->ranks[i].wall);
        hist_fini(&s->ranks[i].busy);
        hist_fini(&s->ranks[i].wait);
    }
    stepwindow_fini(&s->window);
    hist_fini(&s->t);
    free(s->ranks);
    free(s->scratch);
    free(s);
}

/* ---- a rank begins anew */

static void rank_restart(struct steps *s, struct rank *k, uint32_t attempt)
{
    k->attempt = attempt;
    k->warm = 0;
    if (attempt > s->attempt)
        s->attempt = attempt;
}

static uint64_t key_of(const struct rank *k, uint32_t step)
{
    return (uint64_t)k->attempt << 32 | step;
}

/* ---- steps of all ranks, in order */

/* Steps are closed when their ranks are there, and told of in order. */
static void step_tell(struct steps *s, struct open_step *o)
{
    struct steps_closed *c = &o->c;
    if (c->attempt != s->told_attempt) {
        s->done_before = s->told_next > s->done_before ? s->told_next : s->done_before;
        s->told_next = 0;
        s->told_attempt = c->attempt;
    }
    c->repeated = c->step < s->done_before;
    if (c->enough)
        s->told_next = (uint64_t)c->step + 1;
    c->now_ms = s->now_ms;
    c->busy = o->busy;
    c->late = o->late;
    if (s->ops.closed)
        s->ops.closed(s->ops.arg, c);
}

static void tell_and_trim(struct steps *s)
{
    for (size_t i = 0; i < s->window.n && s->window.at[i]->closed; i++)
        step_tell(s, s->window.at[i]);
    stepwindow_trim(&s->window);
}

/* A rank's records come in order: nobody reports a step from before one that all have
 * reported. */
static void close_older(struct steps *s, const struct open_step *than)
{
    for (size_t i = 0; i < s->window.n && s->window.at[i] != than; i++)
        if (!s->window.at[i]->closed)
            steps_close(s, s->window.at[i]);
}

/* Too many ranks have gone on without it. */
static bool is_hopeless(const struct steps *s, const struct open_step *o)
{
    uint32_t n = o->c.n;
    for (uint32_t i = 0; i < s->world_size; i++)
        n += s->ranks[i].known && key_of(&s->ranks[i], s->ranks[i].last_step) < o->key;
    return !steps_has_enough(s, n);
}

static struct open_step *step_of(struct steps *s, struct rank *k, uint32_t step,
                                 uint64_t now_ms)
{
    if (k->attempt < s->attempt && key_of(k, step) < s->window.floor) {
        /* Its restart did not show, because its last records were lost. */
        rank_restart(s, k, s->attempt);
    }
    if (stepwindow_is_full(&s->window)) {
        steps_close(s, s->window.at[0]);
        tell_and_trim(s);
    }
    struct open_step *o = stepwindow_get(&s->window, key_of(k, step), now_ms);
    return o && !o->closed ? o : NULL;
}

/* ---- records */

void steps_done_before(struct steps *s, uint64_t step)
{
    s->done_before = step;
}

void steps_add(struct steps *s, const struct steprec *r, uint64_t now_ms)
{
    if (r->rank >= s->world_size)
        return;
    struct rank *k = &s->ranks[r->rank];
    s->now_ms = now_ms;
    bool was_known = k->known;
    if (!steps_rank_is_ready(s, k))
        return;
    if (was_known && r->step <= k->last_step)
        rank_restart(s, k, k->attempt + 1);
    k->last_step = r->step;
    struct open_step *o = step_of(s, k, r->step, now_ms);
    bool warming = k->warm < s->warmup;
    k->warm += warming;
    if (!warming && !(r->flags & STEPREC_SPECIAL)) {
        steps_rank_count(k, r);
        if (s->ops.record)
            s->ops.record(s->ops.arg, r, k->attempt);
    }
    if (!o)
        return;
    open_step_add(o, r, warming);
    if (o->c.n == s->world_size) {
        steps_close(s, o);
        close_older(s, o);
        tell_and_trim(s);
    }
}

void steps_dropped(struct steps *s, uint32_t rank, uint64_t dropped)
{
    if (rank < s->world_size && dropped > s->ranks[rank].dropped)
        s->ranks[rank].dropped = dropped;
}

void steps_tick(struct steps *s, uint64_t now_ms)
{
    bool before = true; /* all of those before are closed */
    s->now_ms = now_ms;
    for (size_t i = 0; i < s->window.n; i++) {
        struct open_step *o = s->window.at[i];
        if (!o->closed && now_ms >= o->first_ms + CLOSE_AFTER_MS &&
            (steps_has_enough(s, o->c.n) || (before && is_hopeless(s, o))))
            steps_close(s, o);
        before = before && o->closed;
    }
    tell_and_trim(s);
}

void steps_finish(struct steps *s)
{
    for (size_t i = 0; i < s->window.n; i++)
        if (!s->window.at[i]->closed)
            steps_close(s, s->window.at[i]);
    tell_and_trim(s);
}
