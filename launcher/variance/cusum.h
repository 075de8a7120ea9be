/* SPDX-License-Identifier: MIT */
/* cusum - when a rank became slow, and when it stopped being so: a sum of deviations with
 * verification, in constant memory. Pure.
 *
 * Values are x = ln(busy of the rank) - ln(median busy of the ranks; of two: of the other
 * one), so that what all ranks share is gone; of a rank alone ln(busy). z = (x - median) /
 * sigma, winsorised at +-4; S = max(0, S + z - 0.5); at S > 12 the change is a candidate,
 * and it is one when the median of the next CUSUM_VERIFY values is above the old median by
 * CUSUM_MINIMUM, and by more than noise can do; a change by less than 3 sigma has
 * to be there in the CUSUM_VERIFY values after those, too, as noise may come in clusters. Slow from the beginning is seen too: the
 * median of the first CUSUM_VERIFY values lies as far above 0 (the peers). Who was faster
 * than its peers and is like them now is not slow. Recovery is the same the other
 * way round, back to within half of what was gained and within the minimum. While slow the
 * usual value before is kept.
 */
#ifndef LAUNCHER_VARIANCE_CUSUM_H
#define LAUNCHER_VARIANCE_CUSUM_H

#include <stdbool.h>
#include <stdint.h>

#include "launcher/variance/usual.h"

#define CUSUM_VERIFY  16u
#define CUSUM_MINIMUM 0.0677 /* ln 1.07 */

enum cusum_news { CUSUM_NOTHING, CUSUM_SLOW, CUSUM_RECOVERED };

struct cusum {
    bool peers; /* 0 is where the others are */
    bool slow;
    bool verifying, again; /* again: the values after those that spoke for a change */
    bool at_once;          /* it has been slow from its first value on */
    struct usual usual;    /* of x, while not slow; at_once: of its first values */
    double before, after;  /* slow: medians of x around the change */
    double sum;            /* upwards, or downwards while slow */
    uint32_t left;         /* the step at which the sum left 0 */
    uint32_t since;        /* the step at which it became slow */
    uint32_t recovered;    /* the step of the last recovery */
    uint32_t n_verify, n_recent;
    float verify[CUSUM_VERIFY];
    float recent[CUSUM_VERIFY]; /* a ring of the last values before those, */
    uint32_t at[CUSUM_VERIFY];  /* and their steps */
};

void cusum_init(struct cusum *c, bool peers);
/* The next value, at that step. On SLOW `since` is the step at which it began and after -
 * before its size (logarithm); on RECOVERED `recovered`. After a restart: cusum_init. */
enum cusum_news cusum_add(struct cusum *c, uint32_t step, double x);

#endif
