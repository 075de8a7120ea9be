/* SPDX-License-Identifier: MIT */
/* resample - how far the mean step time of one run could have come out otherwise: circular
 * blocks of its steps are drawn with replacement. A block is as long as the run remembers
 * (Politis and White 2004, corrected 2009, from the autocorrelation), at least the cube root
 * of the run's length: single steps would be taken for independent, and the interval come
 * out far too narrow. Pure. */
#ifndef LAUNCHER_TAX_RESAMPLE_H
#define LAUNCHER_TAX_RESAMPLE_H

#include <stddef.h>

#include "launcher/tax/random.h"
#include "launcher/variance/series.h"

/* In blocks of the series; 1 for fewer than 8 of them. */
size_t resample_length(const struct series *s);
/* n times the mean of a run that might have been, as its difference from the mean of all
 * these, microseconds a step. A series of fewer than 4 blocks has no other run in it: -1. */
int resample_means(const struct series *s, struct random *r, double *ret, size_t n);

#endif
