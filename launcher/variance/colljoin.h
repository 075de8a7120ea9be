/* SPDX-License-Identifier: MIT */
/* colljoin - the collectives of one deep step: what each took on each rank, joined by
 * name. Pure. See collwait.h for what it means. */
#ifndef LAUNCHER_VARIANCE_COLLJOIN_H
#define LAUNCHER_VARIANCE_COLLJOIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wire/colltime.h"

#define COLLJOIN_UNKNOWN UINT32_MAX

struct colljoin_coll {
    struct colltime t; /* dur_ns: the least */
    uint32_t n, last;  /* ranks that told; the last of them */
};
struct colljoin_time {
    uint32_t coll, dur_ns;
};
struct colljoin_rank {
    bool told;
    uint32_t n, missing;
    struct colljoin_time *at;
};
struct colljoin { /* zeroed is empty, but for ranks */
    uint32_t world_size, n_told;
    struct colljoin_rank *ranks;
    struct colljoin_coll *coll;
    uint32_t n_coll, cap_coll;
    uint32_t *slot; /* by name: 1 + index; 2 * cap_coll */
    size_t n_times; /* of all ranks */
};

int colljoin_init(struct colljoin *j, uint32_t world_size); /* -ENOMEM */
void colljoin_fini(struct colljoin *j);
void colljoin_clear(struct colljoin *j);
/* What a rank says, once; n * COLLTIME_BYTES at data. -ENOMEM: it has told, but nothing. */
int colljoin_add(struct colljoin *j, uint32_t rank, const uint8_t *data, uint32_t n,
                 uint32_t missing);
/* Microseconds; COLLJOIN_UNKNOWN: for more than a tenth of its collectives no other rank
 * told. */
uint32_t colljoin_wait_us(const struct colljoin *j, uint32_t rank);

#endif
