/* SPDX-License-Identifier: MIT */
/* series - the course of a run in bounded memory: step times as consecutive blocks of
 * equally many steps, merged pairwise when there are too many. Sums are exact. It is what
 * `compare` resamples. Pure. */
#ifndef LAUNCHER_VARIANCE_SERIES_H
#define LAUNCHER_VARIANCE_SERIES_H

#include <stddef.h>
#include <stdint.h>

#define SERIES_BLOCKS 1024u

struct series_block {
    uint32_t steps; /* the last block may have fewer */
    uint64_t t_us;  /* sum of the step times */
};

struct series {
    uint32_t per_block; /* a power of two */
    size_t n;
    struct series_block blocks[SERIES_BLOCKS];
};

void series_init(struct series *s);
void series_add(struct series *s, uint64_t t_us); /* of a step in the statistics */

#endif
