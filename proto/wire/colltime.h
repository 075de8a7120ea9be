/* SPDX-License-Identifier: MIT */
/* colltime - what one collective took on one rank, as COLL_TIMES carries it: 24 bytes,
 * little endian. comm, key and seq name it on all ranks of its communicator (collrec.h). */
#ifndef PROTO_WIRE_COLLTIME_H
#define PROTO_WIRE_COLLTIME_H

#include <stdint.h>

#include "proto/base/cur.h"

#define COLLTIME_BYTES 24

struct colltime {
    uint64_t comm;
    uint32_t key, seq;
    uint32_t dur_ns;
    uint16_t n_ranks;
};

static inline void colltime_encode(const struct colltime *t,
                                   uint8_t ret[COLLTIME_BYTES])
{
    uint8_t *p = put_u64(ret, t->comm);
    p = put_u32(p, t->key);
    p = put_u32(p, t->seq);
    p = put_u32(p, t->dur_ns);
    p = put_u16(p, t->n_ranks);
    (void)put_u16(p, 0);
}

static inline void colltime_decode(const uint8_t data[COLLTIME_BYTES],
                                   struct colltime *ret)
{
    struct cur c = cur_of(data, COLLTIME_BYTES);
    ret->comm = cur_u64(&c);
    ret->key = cur_u32(&c);
    ret->seq = cur_u32(&c);
    ret->dur_ns = cur_u32(&c);
    ret->n_ranks = cur_u16(&c);
}

#endif
