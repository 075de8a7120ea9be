/* SPDX-License-Identifier: MIT */
/* anchorstep.c - a long step is no special one for that: it may be just what somebody looks
 * for. But where long ones come at one distance, an evaluation without collectives is the
 * likelier reason. */
#include "agent/anchorstep.h"

#define LONG         1.75 /* periods */
#define ODD_CALLS    4u /* one in so many more or less than usual makes a step special */
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
    s->now.special |= odd;
}

void anchorstep_lost(struct anchorstep *s)
{
    s->now.gap = true;
}

static bool has_odd_number(const struct anchorsig *anchor, uint32_t n)
{
    uint32_t usual = anchor->usual, off = n > usual ? n - usual : usual - n;
    return off > 2 + usual / ODD_CALLS;
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
        n->confidence = (uint8_t)(anchor->steady / 10);
        if (anchor->median > 0 && anchor->n >= JUDGED_LEAST) {
            n->special |= !n->gap && has_odd_number(anchor, n->n_coll);
            if ((double)(n->end_ns - n->begin_ns) > LONG * anchor->median)
                n->special |= comes_regularly(s, n->step) && !n->gap;
        }
        *ret = *n;
    }
    s->running = true;
    s->now = (struct anchor_step){.begin_ns = r->t_ns};
    return ended;
}
