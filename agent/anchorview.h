/* SPDX-License-Identifier: MIT */
/* anchorview - which collectives come in each period of a few chosen ones, and how many
 * periods of one lie in those of another. Pure, constant memory, O(1) a call.
 */
#ifndef AGENT_ANCHORVIEW_H
#define AGENT_ANCHORVIEW_H

#include <stddef.h>

#include "agent/anchorsig.h"

#define ANCHORVIEW_NOBODY SIZE_MAX
#define ANCHORVIEW_COMMS  256u /* communicators, by their hash: two are hardly one */
#define ANCHORVIEW_USUAL  0.6  /* comes in this share of periods, or more */

struct anchorview_ratio { /* the majority's vote */
    uint32_t k, votes;
    double n, same;
};

struct anchorview {
    size_t who; /* whose periods: an index, or NOBODY */
    uint32_t id;
    double n; /* of late */
    uint32_t mark[ANCHORSIG_VIEWS];
    uint32_t comm_stamp[ANCHORVIEW_COMMS], comm_seen[ANCHORVIEW_COMMS];
    struct anchorview_ratio
        ratio[ANCHORSIG_VIEWS]; /* periods of those in one of these */
};

struct anchorviews {
    struct anchorsig *sigs;
    size_t n_sigs;
    uint32_t world; /* ranks; 0: not known */
    struct anchorview view[ANCHORSIG_VIEWS];
};

void anchorviews_init(struct anchorviews *v, struct anchorsig *sigs, size_t n_sigs);
/* From now on the periods of who. */
void anchorviews_set(struct anchorviews *v, unsigned at, size_t who);
void anchorviews_call(struct anchorviews *v, size_t who);
/* The share of periods, 0 to 1, in which it comes. */
double anchorviews_share(const struct anchorviews *v, unsigned at,
                         const struct anchorsig *s);
/* The share of periods in which gradients are reduced in the communicator at this place,
 * of whatever size: sizes may follow the data. */
unsigned anchorviews_comm(uint64_t comm);
double anchorviews_comm_share(const struct anchorviews *v, unsigned at, unsigned comm);
/* How many periods of `fast` lie in one of `slow` as a rule; the share of those that have
 * so many; in how many that was counted. */
uint32_t anchorviews_ratio(const struct anchorviews *v, unsigned fast, unsigned slow,
                           double *ret_share, double *ret_n);

#endif
