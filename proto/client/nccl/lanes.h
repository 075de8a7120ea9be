/* SPDX-License-Identifier: MIT */
/* lanes - records of many threads into the lanes of the file.
 *
 * NCCL has threads of its own, one for each communicator and more, that come and go. So no
 * thread keeps a lane: it takes one for as long as it writes a record, by preference always
 * the same, and never waits for one. In a lane t_ns never falls.
 */
#ifndef PROTO_CLIENT_NCCL_LANES_H
#define PROTO_CLIENT_NCCL_LANES_H

#include "proto/wire/collrec.h"

struct lane_state {
    _Atomic uint32_t taken;
    bool gap;         /* the lane was full: of whoever has taken it */
    uint64_t last_ns; /* as gap */
    uint8_t pad[48];  /* a cache line each */
};

struct lanes {
    struct collfile *file; /* borrowed */
    _Atomic bool lost;     /* a record found no lane: the next one says so */
    struct lane_state state[COLL_LANES];
};

/* home: what the calling thread prefers, any number. */
void lanes_push(struct lanes *l, unsigned home, struct collrec *r);

#endif
