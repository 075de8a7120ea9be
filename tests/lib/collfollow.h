/* SPDX-License-Identifier: MIT */
/* collfollow - a rank whose anchor is chosen at once, as a head of one rank would do, and
 * what is found of a collstream: how many steps, and how many of them are not one.
 */
#ifndef TESTS_LIB_COLLFOLLOW_H
#define TESTS_LIB_COLLFOLLOW_H

#include <stdlib.h>

#include "agent/anchor.h"
#include "tests/lib/collstream.h"

struct collfollow {
    struct collstream stream;
    struct anchors *anchors;
    uint64_t changes, records;
    bool is_counted; /* steps are: the anchor was chosen, and what differs is over */
    uint32_t begun;  /* the true step in which the last one found began */
    uint32_t first;  /* true steps before the first that was right */
    uint32_t ordinary, special, gaps;
    uint32_t wrong; /* ordinary by what was said, and not one step long */
    uint32_t early; /* the same before it was settled */
    uint64_t truth; /* true steps in the ordinary ones */
    struct anchor_candidate best;
    uint16_t n_ranks; /* set before: as of collstream */
};

static inline void collfollow_step(void *arg, const struct anchor_step *s)
{
    struct collfollow *f = arg;
    uint32_t length = f->stream.step - f->begun;
    f->begun = f->stream.step;
    if (!f->is_counted || !f->stream.is_settled) {
        f->early += !s->special && !s->gap && length != 1;
        f->is_counted = f->stream.is_settled && length == 1;
        return;
    }
    f->gaps += s->gap;
    f->special += s->special && !s->gap;
    if (s->special || s->gap)
        return;
    if (f->ordinary == 0)
        f->first = f->stream.step - 1;
    f->ordinary++;
    f->truth += length;
    f->wrong += length != 1;
}

static inline void collfollow_record(void *arg, const struct collrec *r)
{
    struct collfollow *f = arg;
    struct anchor_candidate list[ANCHOR_CANDIDATES];
    uint64_t changes;
    if (!f->stream.is_settled)
        f->is_counted = false;
    anchors_add(f->anchors, r);
    if (++f->records % 8 != 0) /* as little as an agent looks */
        return;
    size_t n = anchors_candidates(f->anchors, list, &changes);
    if (changes == f->changes || n == 0)
        return;
    f->changes = changes;
    f->best = list[0];
    (void)anchors_choose(f->anchors, &list[0].class);
    f->is_counted = false;
    f->begun = f->stream.step;
}

static inline bool collfollow_run(struct collfollow *f, const struct collstream_kind *k,
                                  uint64_t seed, uint32_t steps, double lost)
{
    *f = (struct collfollow){.stream.n_ranks = f->n_ranks, .n_ranks = f->n_ranks};
    f->stream.kind = k;
    f->stream.seed = seed;
    f->stream.steps = steps;
    f->stream.lost = lost;
    f->stream.sink = collfollow_record;
    f->stream.arg = f;
    f->anchors = anchors_create(k->world, collfollow_step, f);
    if (!f->anchors)
        return false;
    collstream_run(&f->stream);
    anchors_destroy(f->anchors);
    return true;
}

#endif
