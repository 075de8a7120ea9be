/* SPDX-License-Identifier: MIT */
/* anchorpick - the list of collectives that would do as the anchor: those that come once in
 * a step, what is best to agree on first. Pure.
 */
#ifndef AGENT_ANCHORPICK_H
#define AGENT_ANCHORPICK_H

#include "agent/anchor.h"
#include "agent/anchorview.h"

struct anchorpick {
    size_t who[ANCHOR_CANDIDATES]; /* what is offered, best first */
    struct anchor_class class[ANCHOR_CANDIDATES];
    size_t n;
    uint64_t changes;
    /* what would be offered, if it is found so again */
    struct anchor_class next[ANCHOR_CANDIDATES];
    size_t n_next;
    unsigned against; /* in so many of its periods in a row another level was better */
    uint64_t against_ns; /* the last of them */
};

struct anchor_class anchorpick_class(const struct anchorsig *s);
bool anchorpick_is_class(const struct anchorsig *s, const struct anchor_class *c);
/* Judge all and choose anew. View 0 is not touched, the others are chosen here. */
void anchorpick_look(struct anchorpick *p, struct anchorviews *v, uint64_t now_ns);
/* The best that is of this class, steady or not; ANCHORVIEW_NOBODY: none. */
size_t anchorpick_find(const struct anchorviews *v, const struct anchor_class *c);

#endif
