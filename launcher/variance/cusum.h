/* SPDX-License-Identifier: MIT */
/* cusum - when a rank became slow, and when it stopped being so: a sum of deviations with
 * verification, in constant memory. Pure.
 *
 * Values are x = ln(busy of the rank) - ln(median busy of the ranks), so that what all ranks
 * share is gone; with fewer than three ranks ln(busy) alone. z = (x - median) / sigma,
 * winsorised at +-4; S = max(0, S + z - 0.5); at S > 12 the change is a candidate, and it
 * is one when the median of the next CUSUM_VERIFY values is above the old median by
 * CUSUM_MINIMUM at least. Slow from the beginning is seen too: the median of the first
 * CUSUM_VERIFY values lies above 0 (the peers) by the minimum. Recovery is the same the
 * other way round, back to within half of what was gained. While slow the usual value
 * before is kept.
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
    struct usual usual;   /* of x, while not slow */
    double before, after; /* slow: medians of x around the change */
    double sum, sum_down;
    uint32_t since;     /* slow: the step of the change; else where S left 0 */
    uint32_t recovered; /* the step of the last recovery */
    double verify[CUSUM_VERIFY];
    uint32_t n_verify;
    bool verifying, down;
};

void cusum_init(struct cusum *c, bool peers);
/* The next value, at that step (ascending but for restarts). On SLOW `since` is the step at
 * which it began and after - before its size (logarithm); on RECOVERED `recovered`. */
enum cusum_news cusum_add(struct cusum *c, uint32_t step, double x);

#endif
