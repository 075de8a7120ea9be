/* SPDX-License-Identifier: MIT */
/* colljoin - the collectives of one deep step: what each took on each rank, joined by
 * name. Pure. See collwait.h for what it means.
 *
 * A rank waited for the sum of dur - min dur over its collectives, which is the sum of what
 * they took there less the sum of the minima. So of a rank's times only sums stay, and
 * which collectives they are of: 32 of one kind in one communicator are a block, of which
 * a rank has a mask and a sum.
 *
 * Where ranks of a communicator told nothing of a collective, its true minimum may be less
 * than the one that is known: waits are lower bounds then, and time of which it is not
 * known whether it was waiting (vague) is at most that minimum. Ranks can be compared all
 * the same where as much is vague of each; in one communicator it is. Of a collective that
 * a rank itself lacks, it may have waited as long as any other rank did. A rank of which
 * more than COLLJOIN_UNSURE of a step is in doubt by either (vague: more, or less, than of
 * the median rank) is not compared: else who waited for a silent rank would look as if
 * others had waited for it. What no rank can know is whether a silent one came later still:
 * a rank that is later than all others that told is found, even if it cost nothing.
 */
#ifndef LAUNCHER_VARIANCE_COLLJOIN_H
#define LAUNCHER_VARIANCE_COLLJOIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wire/colltime.h"

#define COLLJOIN_UNKNOWN UINT32_MAX
#define COLLJOIN_BLOCK   32u
#define COLLJOIN_UNSURE  50u /* th part of the step's wall time */
/* Of a step. 16,384 ranks of 1000 collectives, half of them in pairs, need 200,000 blocks and
 * a million parts; 110 MB and 32 MB until it is settled, and most jobs a hundredth. */
#define COLLJOIN_BLOCKS (1u << 18)
#define COLLJOIN_PARTS  (1u << 21)

struct colljoin_coll {
    uint32_t least_ns, most_ns, n; /* n: ranks that told */
};
struct colljoin_block { /* without collectives: stands for its communicator */
    uint64_t comm;
    uint32_t key, number; /* of a seq: seq / COLLJOIN_BLOCK */
    uint32_t n_ranks, home;
    uint32_t last, part;           /* the rank that told last, and which of its parts */
    uint32_t told, joined, whole;  /* masks: by any rank, by two, by all of n_ranks */
    uint64_t least, vague, spread; /* sums over told; spread: most - least */
    struct colljoin_coll coll[COLLJOIN_BLOCK];
};
struct colljoin_part { /* what a rank told of a block */
    uint32_t block, has;
    uint64_t sum_ns;
};
struct colljoin_rank {
    bool told, known;
    uint32_t n, missing; /* collectives */
    uint32_t n_parts;
    struct colljoin_part *parts;
    uint64_t wait_ns, vague_ns, lacking_ns;
};
struct colljoin { /* zeroed is empty, but for ranks */
    uint32_t world_size, n_told;
    struct colljoin_rank *ranks;
    struct colljoin_block *block;
    uint32_t n_blocks, cap_blocks;
    uint32_t *slot; /* by name: 1 + index; 2 * cap_blocks */
    uint32_t n_parts;
};

int colljoin_init(struct colljoin *j, uint32_t world_size); /* -ENOMEM */
void colljoin_fini(struct colljoin *j);
void colljoin_clear(struct colljoin *j);
/* What a rank says, once; n * COLLTIME_BYTES at data. -ENOMEM: it has told, but nothing. */
int colljoin_add(struct colljoin *j, uint32_t rank, const uint8_t *data, uint32_t n,
                 uint32_t missing);
/* Once, after the last add: what it needed memory for is gone. wall_us: of the step. */
void colljoin_settle(struct colljoin *j, uint32_t wall_us);
/* Microseconds; COLLJOIN_UNKNOWN: in doubt, or for more than a tenth of its collectives no
 * other rank told. */
uint32_t colljoin_wait_us(const struct colljoin *j, uint32_t rank);

#endif
