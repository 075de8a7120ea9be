/* SPDX-License-Identifier: MIT */
/* amplify - what the same noise costs with more ranks: each step waits for the slowest of
 * N, so E(N) = expected maximum of N draws from the ranks' excess, minus the median.
 * Taken from the measured distribution, with no shape assumed; beyond the largest value
 * seen it knows nothing, and says how far the data reach. Ranks are taken for alike and
 * independent: one rank that is slow for a reason of its own does not become N of them, so
 * the excess of slow spells is left out of the histogram (attribute.h). Pure. */
#ifndef LAUNCHER_VARIANCE_AMPLIFY_H
#define LAUNCHER_VARIANCE_AMPLIFY_H

#include <stdint.h>

#include "proto/base/hist.h"

struct amplify {
    uint32_t ranks;
    double loss;  /* share of the median busy time, 0.031 is 3.1 % */
    double hit;   /* share of steps in which some rank is late by 5 % or more */
    double reach; /* largest N that the data can speak of: draws seen */
};
/* h: excess in 1/10000 of the median, as in struct attribution. ranks >= 1. */
void amplify_to(const struct hist *h, uint32_t ranks, struct amplify *ret);

#endif
