/* SPDX-License-Identifier: MIT */
/* anchorstep.c - a long step is no special one for that: it may be just what somebody looks
 * for. But where long ones come at one distance, an evaluation without collectives is the
 * likelier reason. */
#include "agent/anchorstep.h"

#define LONG         1.75 /* periods */
#define ODD_CALLS    4u /* one in so many more or less than usual makes a step special */
#define ALIKE_LEAST  0.75
#define TIMES_LEAST  3u
#define JUDGED_LEAST 7u /* periods */

void anchorstep_init(struct anchorstep *s)
{
    *s = (struct anchorstep){0};
}

void anchorstep_call(struct anchorstep *s, const struct collrec *r, bool odd)
{
    s->now.n_coll++;
    s->now.bytes += r->bytes;
    s->is_odd |= odd;
}

void anchorstep_lost(struct anchorstep *s)
{
    s->now.gap = true;
}

/* Where most have one number any other is odd, even when many others follow: they are an
 * evaluation's. */
static bool has_odd_number(struct anchorstep *s, const struct anchorsig *anchor,
                           uint32_t n)
{
    if (anchor->tally.alike >= ALIKE_LEAST * anchor->tally.n &&
        anchor->usual >= s->usual / 2)
        s->usual = anchor->usual;
    uint32_t usual = s->usual > 0 ? s->usual : anchor->usual;
    uint32_t off = n > usual ? n - usual : usual - n;
    return off > (s->usual > 0 ? anchorsig_tolerance(usual) : 2 + usual / ODD_CALLS);
}

/* Strangers instead of as many others are the same with other sizes. */
static bool has_strangers(const struct anchorstep *s, const struct anchorsig *anchor)
{
    bool is_judged = anchor->median > 0 && anchor->n >= JUDGED_LEAST;
    return s->is_odd && (s->now.gap || !is_judged || s->now.n_coll != anchor->usual);
}

static bool comes_regularly(struct anchorstep *s, uint32_t step)
{
    uint32_t after = step - s->last;
    s->times = after == s->every ? s->times + 1 : 0;
    s->every = after;
    s->last = step;
    return s->times >= TIMES_LEAST;
}

bool anchorstep_turn(struct anchorstep *s, const struct anchorsig *anchor,
                     enum anchorsig_news news, const struct collrec *r,
                     struct anchor_step *ret)
{
    bool ended = s->running && (news == ANCHORSIG_NEXT || news == ANCHORSIG_LOST);
    struct anchor_step *n = &s->now;
    n->n_coll++;
    n->bytes += r->bytes;
    if (ended) {
        n->step = r->seq;
        n->end_ns = r->t_ns;
        n->gap |= news == ANCHORSIG_LOST;
        n->special = has_strangers(s, anchor);
        n->confidence = (uint8_t)(anchor->steady / 10);
        if (anchor->median > 0 && anchor->n >= JUDGED_LEAST) {
            n->special |= has_odd_number(s, anchor, n->n_coll) && !n->gap;
            if ((double)(n->end_ns - n->begin_ns) > LONG * anchor->median)
                n->special |= comes_regularly(s, n->step) && !n->gap;
        }
        *ret = *n;
    }
    s->running = true;
    s->is_odd = false;
    s->now = (struct anchor_step){.begin_ns = r->t_ns};
    return ended;
}
