/* SPDX-License-Identifier: MIT */
/* timing - how long the GPU took for a collective, from the stamps of its channels.
 *
 * A pool of fixed size, for many threads, without locks. A collective is there from when it
 * is enqueued until the last of its channels has stopped; one whose channels never come (an
 * abort, stamps that were lost) makes room for another when it is old.
 */
#ifndef PROTO_CLIENT_NCCL_TIMING_H
#define PROTO_CLIENT_NCCL_TIMING_H

#include "proto/wire/collrec.h"

#define TIMING_SLOTS    1024u /* collectives on their way at a time; a power of two */
#define TIMING_CHANNELS 64u   /* NCCL's maximum */
#define TIMING_OLD_NS   10000000000u

struct timed {
    _Atomic uint64_t word; /* generation, is it live, how many look at it just now */
    _Atomic uint64_t born_ns;
    struct collrec rec; /* what will be told but for the time */
    uint32_t n_channels;
    _Atomic uint32_t n_done;
    _Atomic bool is_bad;
    _Atomic uint64_t first_ns, last_ns; /* of the GPU's clock */
    _Atomic uint64_t start_ns[TIMING_CHANNELS];
};

struct timing {
    _Atomic uint32_t next;
    struct timed slot[TIMING_SLOTS];
};

enum timing_end { TIMING_MORE, TIMING_DONE, TIMING_BAD };

/* A handle; 0: the pool is full, or no collective has so many channels (or none). */
uint64_t timing_open(struct timing *t, const struct collrec *rec, unsigned n_channels,
                     uint64_t now_ns);
/* A handle; 0: there is no such collective any more. */
uint64_t timing_start(struct timing *t, uint64_t coll, unsigned channel,
                      uint64_t start_ns);
/* stop_ns 0: not known. A channel that has stopped already is let pass. DONE: that was the
 * last one, and ret_rec is to be told; BAD: the last one, but the stamps are not of this
 * collective (the GPU has written over them before they were read). */
enum timing_end timing_stop(struct timing *t, uint64_t channel, uint64_t stop_ns,
                            uint64_t now_ns, struct collrec *ret_rec);

#endif
