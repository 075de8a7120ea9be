/* SPDX-License-Identifier: MIT */
/* handle - what NCCL keeps of an event for us: a number, not an address.
 *
 * NCCL may come back with a handle long after we have done with it (from its proxy thread,
 * from a CUDA graph that is launched again, after a communicator was finalized). A number
 * with a generation in it is then seen to be old, and nothing is followed.
 */
#ifndef PROTO_CLIENT_NCCL_HANDLE_H
#define PROTO_CLIENT_NCCL_HANDLE_H

#include <stdbool.h>
#include <stdint.h>

enum handle_kind {
    HANDLE_NONE,
    HANDLE_CALL,    /* a collective as the program called it */
    HANDLE_TIMED,   /* one in the pool of timing.h */
    HANDLE_CHANNEL, /* one channel of that */
};

/* For a group, of which nothing is kept: before version 5 NCCL tells of no collective in one
 * without a handle. Of no kind, and even, which no pair of a chain is. */
#define HANDLE_GROUP 4u

/* Low bits first: kind 2; CALL: comm 8, generation 8, sig 8, seq in the upper half; TIMED and CHANNEL: slot 16, channel 6, generation in the upper half. */
struct handle {
    enum handle_kind kind;
    unsigned comm, sig, slot, channel;
    uint32_t generation, seq;
};

static inline uint64_t handle_pack(const struct handle *h)
{
    uint64_t v = (uint64_t)h->kind;
    if (h->kind == HANDLE_CALL)
        return v | (uint64_t)(h->comm & 255) << 2 |
               (uint64_t)(h->generation & 255) << 10 | (uint64_t)(h->sig & 255) << 18 |
               (uint64_t)h->seq << 32;
    return v | (uint64_t)(h->slot & 0xffff) << 2 | (uint64_t)(h->channel & 63) << 18 |
           (uint64_t)h->generation << 32;
}

static inline struct handle handle_unpack(uint64_t v)
{
    struct handle h = {.kind = (enum handle_kind)(v & 3)};
    if (h.kind == HANDLE_CALL) {
        h.comm = (unsigned)(v >> 2 & 255);
        h.generation = (uint32_t)(v >> 10 & 255);
        h.sig = (unsigned)(v >> 18 & 255);
        h.seq = (uint32_t)(v >> 32);
    } else {
        h.slot = (unsigned)(v >> 2 & 0xffff);
        h.channel = (unsigned)(v >> 18 & 63);
        h.generation = (uint32_t)(v >> 32);
    }
    return h;
}

#endif
