/* SPDX-License-Identifier: MIT */
/* cusum - when a rank became slow, and when it stopped being so: a sum of deviations with
 * verification, in constant memory. Pure.
 *
 * Values are x = ln(busy of the rank) - ln(median busy of the ranks; of two: of the other
 * one), so that what all ranks share is gone; of a rank alone ln(busy). z = (x - median) /
 * sigma, winsorised at +-4; S = max(0, S + z - 0.5); at S > 12 the change is a candidate,
 * and it is one when the mean of the middle half of the next CUSUM_VERIFY values is above
 * the old median by CUSUM_MINIMUM, and by more than noise does to such a mean: four and a
 * half sigma of such means of successive blocks, since noise that comes in clusters moves
 * them by more than its single values show. Eleven sigma and CUSUM_CLEAR are no doubt; of a
 * lesser change two to four blocks have to speak, and their mean be above the minimum.
 * Slow from the beginning is seen too: the blocks lie as far above 0 (the peers), by one
 * clear block or by the mean of as many as that takes. Who was faster than its peers and is
 * like them now is not slow. Recovery is the same the other way round, back to within half
 * of what was gained and within the minimum. While slow the usual value before is kept.
 */
#ifndef LAUNCHER_VARIANCE_CUSUM_H
#define LAUNCHER_VARIANCE_CUSUM_H

#include <stdbool.h>
#include <stdint.h>

#include "launcher/variance/usual.h"

#define CUSUM_VERIFY  16u
#define CUSUM_MINIMUM 0.0488 /* ln 1.05 */
#define CUSUM_CLEAR   0.0677 /* ln 1.07 */

enum cusum_news { CUSUM_NOTHING, CUSUM_SLOW, CUSUM_RECOVERED };

struct cusum {
    bool peers; /* 0 is where the others are */
    bool slow;
    bool verifying;
    bool at_once;         /* what is usual of it is being slow, as far as is known */
    uint8_t n_again;      /* blocks that spoke for a change, or nearly */
    struct usual usual;   /* of x, while not slow; at_once: of the slow values, too */
    double before, after; /* slow: x before the change and after it */
    double level, spread; /* of the blocks while not slow: mean, mean deviation */
    uint32_t n_blocks;
    uint32_t block_at,
        above;         /* first step of this block; above: since it lies over 0 */
    double over, held; /* slow: sums of x; held: of those that may be recovery */
    uint32_t n_over, n_held;
    double sum;         /* upwards, or downwards while slow */
    uint32_t left;      /* the step at which the sum left 0 */
    uint32_t since;     /* the step at which it became slow */
    uint32_t recovered; /* the step of the last recovery */
    uint32_t n_verify, n_recent;
    float verify[CUSUM_VERIFY]; /* the block at hand */
    float recent[CUSUM_VERIFY]; /* a ring of the last values before those, */
    uint32_t at[CUSUM_VERIFY];  /* and their steps */
};

void cusum_init(struct cusum *c, bool peers);
/* The next value, at that step. On SLOW `since` is the step at which it began and after -
 * before its size (logarithm); on RECOVERED `recovered`. After a restart: cusum_init. */
enum cusum_news cusum_add(struct cusum *c, uint32_t step, double x);
/* The mean size of the slow time so far, or of the last one. */
double cusum_size(const struct cusum *c);
/* Neither slow nor near to being called so. */
bool cusum_is_well(const struct cusum *c);
/* Slow, or half way to being called so. */
bool cusum_is_doubtful(const struct cusum *c);

#endif
