/* SPDX-License-Identifier: MIT */
/* random - random numbers that are the same on every machine: xoshiro256**, seeded by
 * splitmix64. For resampling; not for secrets. */
#ifndef LAUNCHER_TAX_RANDOM_H
#define LAUNCHER_TAX_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t s[4];
};

void random_init(struct random *r, uint64_t seed);
uint64_t random_next(struct random *r);
uint32_t random_below(struct random *r, uint32_t n); /* n > 0 */
double random_unit(struct random *r);                /* in (0, 1) */

#endif
