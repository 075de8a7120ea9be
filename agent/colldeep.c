/* SPDX-License-Identifier: MIT */
/* colldeep.c - see colldeep.h. A step has a table of its own, since names repeat only
 * when a communicator has called the same 4 thousand million times. */
#include "agent/colldeep.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS (2 * LIMIT_COLL_TIMES)

_Static_assert((SLOTS & (SLOTS - 1)) == 0, "masked");
_Static_assert(LIMIT_COLL_TIMES < UINT16_MAX, "slots are small");

void colldeep_fini(struct colldeep *d)
{
    for (unsigned i = 0; i < d->n; i++)
        free(d->step[i]);
    free(d->spare);
    *d = (struct colldeep){0};
}

static struct colldeep_step *newest(struct colldeep *d)
{
    return d->n > 0 && !d->step[d->n - 1]->ended ? d->step[d->n - 1] : NULL;
}

void colldeep_pop(struct colldeep *d)
{
    if (d->n == 0)
        return;
    free(d->spare);
    d->spare = d->step[0];
    d->n--;
    memmove(d->step, d->step + 1, d->n * sizeof *d->step);
}

void colldeep_next(struct colldeep *d, uint32_t step, bool deep, uint64_t now_ns)
{
    struct colldeep_step *s = newest(d);
    if (s) {
        s->ended = true;
        s->ended_ns = now_ns;
    }
    if (!deep)
        return;
    if (d->n == COLLDEEP_STEPS)
        colldeep_pop(d);
    s = d->spare ? d->spare : malloc(sizeof *s);
    d->spare = NULL;
    if (!s) /* a step that is not followed */
        return;
    s->step = step;
    s->ended = false;
    s->n = s->n_done = s->lost = 0;
    memset(s->slot, 0, sizeof s->slot);
    d->step[d->n++] = s;
}

bool colldeep_has(const struct colldeep *d, uint32_t step)
{
    for (unsigned i = 0; i < d->n; i++)
        if (d->step[i]->step == step)
            return true;
    return false;
}

/* ---- names ---- */

static uint32_t start_of(const struct collrec *r)
{
    uint64_t z = r->comm ^ ((uint64_t)collsig_key(r->sig) << 32 | r->seq);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (uint32_t)(z ^ z >> 31) & (SLOTS - 1);
}

/* Where it is, or would be: at most half of the slots are taken. */
static uint16_t *slot_of(struct colldeep_step *s, const struct collrec *r)
{
    for (uint32_t i = start_of(r);; i = (i + 1) & (SLOTS - 1)) {
        const struct colltime *t = &s->call[s->slot[i] ? s->slot[i] - 1 : 0].t;
        if (s->slot[i] == 0 ||
            (t->comm == r->comm && t->seq == r->seq && t->key == collsig_key(r->sig)))
            return &s->slot[i];
    }
}

/* ---- calls ---- */

/* Of an AlltoAll NCCL makes sends and receives, and tells no times of it. */
static bool is_followed(const struct collrec *r)
{
    unsigned f = r->sig.func;
    return !(r->flags & COLLREC_CAPTURED) && r->n_ranks > 1 && f != COLL_OTHER &&
           f != COLL_ALLTOALL && f != COLL_SEND && f != COLL_RECV;
}

void colldeep_call(struct colldeep *d, const struct collrec *r)
{
    struct colldeep_step *s = newest(d);
    if (!s || !is_followed(r))
        return;
    uint16_t *slot = slot_of(s, r);
    if (*slot != 0)
        return; /* twice the same: of no honest plug-in */
    if (s->n == LIMIT_COLL_TIMES) {
        s->lost++;
        return;
    }
    s->call[s->n] = (struct colldeep_call){.t = {.comm = r->comm,
                                                 .key = collsig_key(r->sig),
                                                 .seq = r->seq,
                                                 .n_ranks = r->n_ranks}};
    *slot = (uint16_t)++s->n;
}

void colldeep_done(struct colldeep *d, const struct collrec *r)
{
    for (unsigned i = 0; i < d->n; i++) {
        struct colldeep_step *s = d->step[i];
        uint16_t slot = *slot_of(s, r);
        if (slot == 0)
            continue;
        struct colldeep_call *c = &s->call[slot - 1];
        s->n_done += !c->done;
        c->done = true;
        c->t.dur_ns = r->dur_ns;
        return;
    }
}

void colldeep_lost(struct colldeep *d)
{
    struct colldeep_step *s = newest(d);
    if (s)
        s->lost++;
}

const struct colldeep_step *colldeep_ready(const struct colldeep *d, uint64_t now_ns,
                                           bool last)
{
    const struct colldeep_step *s = d->n > 0 ? d->step[0] : NULL;
    if (!s || last)
        return s;
    bool waited = now_ns >= s->ended_ns && now_ns - s->ended_ns >= COLLDEEP_WAIT_NS;
    return s->ended && (s->n_done == s->n || waited) ? s : NULL;
}
