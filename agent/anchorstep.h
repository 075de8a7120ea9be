/* SPDX-License-Identifier: MIT */
/* anchorstep - from one call of the anchor to the next: what was in the step. Pure. */
#ifndef AGENT_ANCHORSTEP_H
#define AGENT_ANCHORSTEP_H

#include "agent/anchor.h"
#include "agent/anchorsig.h"

struct anchorstep {
    bool running;
    bool is_odd;            /* it has collectives that others have not */
    struct anchor_step now; /* the one that is going on */
    uint32_t usual;         /* calls in a step, since most have so many; 0: not yet */
    uint32_t every, last;   /* long ones come every so often, as far as is known; */
    unsigned times;         /* so often in a row */
};

void anchorstep_init(struct anchorstep *s);
/* Any call but the anchor's. odd: it is none of those that come in each step. */
void anchorstep_call(struct anchorstep *s, const struct collrec *r, bool odd);
/* A call of the anchor ends a step and begins the next. False: no step ended. */
bool anchorstep_turn(struct anchorstep *s, const struct anchorsig *anchor,
                     enum anchorsig_news news, const struct collrec *r,
                     struct anchor_step *ret);
void anchorstep_lost(struct anchorstep *s); /* records were */

#endif
