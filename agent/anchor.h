/* SPDX-License-Identifier: MIT */
/* anchor - where the steps of a program are that marks none: from its collectives.
 *
 * A training program calls the same collectives in each step, and some of them once: one
 * of those is the anchor, and a step reaches from one call of it to the next. That it comes
 * at even times shows it, or that as many others come between, if they are a few; then the
 * times may follow the data. What is inside
 * (micro-batches, layers) has shorter periods and gives way to a longer one; what comes
 * every so many steps (evaluation, checkpoints) has longer ones and does not take over
 * (anchorlevel.h says by what they are told apart). A long step is not special for that: it
 * may be what somebody looks for. Pure, one rank, O(1) a record in the mean; a random stream
 * has no anchor, and none is claimed.
 *
 * All ranks must take the same anchor: each tells its candidates, the head chooses, and
 * anchors_choose says what it chose. Steps are numbered by the anchor's own seq, so ranks
 * number alike without asking each other.
 */
#ifndef AGENT_ANCHOR_H
#define AGENT_ANCHOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wire/collrec.h"

#define ANCHOR_SIGNATURES 512u /* followed at a time; more are counted as unseen */
#define ANCHOR_CANDIDATES 8u
#define ANCHOR_COUNT      8u /* calls, before a signature can be a candidate */
#define ANCHOR_STEADY     700 /* of 1000 alike periods lie within a quarter of the median */

/* What the ranks of a job can agree on: the same collective in communicators of the same
 * size, which may be different ones on different ranks (data parallel groups). */
struct anchor_class {
    struct collsig sig;
    uint16_t n_ranks;
};

struct anchor_candidate {
    struct anchor_class class;
    uint64_t comm, count;
    double period_ns; /* median */
    unsigned steady;  /* of 1000 */
};

struct anchor_step { /* from one call of the anchor to the next */
    uint32_t step;   /* seq of the call that ended it */
    uint64_t begin_ns, end_ns;
    uint32_t n_coll; /* calls in it */
    uint64_t bytes;  /* of payload */
    bool special; /* other collectives than ordinary steps have, or long as regularly */
    bool gap;     /* records were lost in it */
    uint8_t confidence; /* percent */
};

struct anchors;

/* world: ranks of the job, all of which the reductions of a step connect; 0: not known. step
 * is called for each step once an anchor is chosen. NULL: no memory. */
struct anchors *anchors_create(uint32_t world,
                               void (*step)(void *arg, const struct anchor_step *s),
                               void *arg);
void anchors_destroy(struct anchors *a);
/* Records in order of t_ns; only CALLs and COMMs matter. */
void anchors_add(struct anchors *a, const struct collrec *r);
/* Best first; at most ANCHOR_CANDIDATES. changes: grows when the list has become another
 * one that the head should hear of. */
size_t anchors_candidates(const struct anchors *a, struct anchor_candidate *ret,
                          uint64_t *ret_changes);
/* False: this rank has no such collective yet; it is taken as soon as it has. */
bool anchors_choose(struct anchors *a, const struct anchor_class *c);
/* The communicator in which the chosen anchor is called; false: none is chosen or seen. */
bool anchors_chosen(const struct anchors *a, uint64_t *ret_comm);
/* The anchor is not steady any more, or has not come for three of its longest periods. */
bool anchors_is_lost(const struct anchors *a, uint64_t now_ns);

#endif
