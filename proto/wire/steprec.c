/* SPDX-License-Identifier: MIT */
/* steprec.c - the record's bytes, and a ring of one producer and one consumer.
 *
 * It is compiled into libaolani.so too and so depends on cur.c alone. Positions only
 * grow; the place in the array is their low bits. Head is released after the record was
 * written and acquired before it is read, tail the other way round, so neither side
 * needs a lock or a system call. The producer may be any program, even a hostile one:
 * whatever it writes, the consumer reads inside the array and ends.
 */
#include <errno.h>
#include <string.h>

#include "proto/base/cur.h"
#include "proto/wire/steprec.h"

_Static_assert((RING_RECORDS & (RING_RECORDS - 1)) == 0, "positions are masked");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "a lock would not be shared by processes");

void steprec_encode(const struct steprec *r, uint8_t ret[STEPREC_BYTES])
{
    uint8_t *p = ret;
    p = put_u32(p, r->rank);
    p = put_u32(p, r->step);
    p = put_u64(p, r->t_end_ns);
    p = put_u32(p, r->wall_us);
    p = put_u32(p, r->wait_us);
    p = put_u32(p, r->n_coll);
    p = put_u32(p, r->payload_kib);
    p = put_u32(p, r->cpu_us);
    p = put_u32(p, r->rundelay_us);
    p = put_u32(p, r->throttled_us);
    p = put_u32(p, r->blocked_us);
    p = put_u32(p, r->stolen_us);
    p = put_u32(p, r->gpu_throttle_us);
    p = put_u16(p, r->nvcsw);
    p = put_u16(p, r->nivcsw);
    p = put_u16(p, r->majflt);
    p = put_u16(p, r->minflt16);
    p = put_u16(p, r->gpu_event_mask);
    p = put_u16(p, r->sm_mhz_min);
    p = put_u16(p, r->flags);
    p = put_u8(p, r->source);
    (void)put_u8(p, r->confidence);
}

void steprec_decode(const uint8_t data[STEPREC_BYTES], struct steprec *ret)
{
    struct cur c = cur_of(data, STEPREC_BYTES);
    ret->rank = cur_u32(&c);
    ret->step = cur_u32(&c);
    ret->t_end_ns = cur_u64(&c);
    ret->wall_us = cur_u32(&c);
    ret->wait_us = cur_u32(&c);
    ret->n_coll = cur_u32(&c);
    ret->payload_kib = cur_u32(&c);
    ret->cpu_us = cur_u32(&c);
    ret->rundelay_us = cur_u32(&c);
    ret->throttled_us = cur_u32(&c);
    ret->blocked_us = cur_u32(&c);
    ret->stolen_us = cur_u32(&c);
    ret->gpu_throttle_us = cur_u32(&c);
    ret->nvcsw = cur_u16(&c);
    ret->nivcsw = cur_u16(&c);
    ret->majflt = cur_u16(&c);
    ret->minflt16 = cur_u16(&c);
    ret->gpu_event_mask = cur_u16(&c);
    ret->sm_mhz_min = cur_u16(&c);
    ret->flags = cur_u16(&c);
    ret->source = cur_u8(&c);
    ret->confidence = cur_u8(&c);
}

void ring_init(struct ring *r)
{
    r->version = RING_VERSION;
    r->records = RING_RECORDS;
    atomic_store_explicit(&r->head, 0, memory_order_relaxed);
    atomic_store_explicit(&r->dropped, 0, memory_order_relaxed);
    atomic_store_explicit(&r->tail, 0, memory_order_relaxed);
    atomic_store_explicit(&r->stop_requested, 0, memory_order_relaxed);
    /* last: who sees the magic sees a ring */
    atomic_thread_fence(memory_order_release);
    r->magic = RING_MAGIC;
}

int ring_push(struct ring *r, const uint8_t rec[STEPREC_BYTES])
{
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
    if (head - tail >= RING_RECORDS) {
        /* the only writer: an atomic add would cost a locked instruction for nothing */
        uint64_t n = atomic_load_explicit(&r->dropped, memory_order_relaxed);
        atomic_store_explicit(&r->dropped, n + 1, memory_order_relaxed);
        return -ENOSPC;
    }
    memcpy(r->record[head & (RING_RECORDS - 1)], rec, STEPREC_BYTES);
    atomic_store_explicit(&r->head, head + 1, memory_order_release);
    return 0;
}

unsigned ring_pop(struct ring *r, uint8_t (*out)[STEPREC_BYTES], unsigned max,
                  uint64_t *ret_lost)
{
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    uint64_t head = atomic_load_explicit(&r->head, memory_order_acquire);
    uint64_t there = head - tail, lost = 0;
    unsigned n = 0;
    if (there > RING_RECORDS) {
        /* No honest producer gets here; a full ring is the most that can be missing. */
        lost = RING_RECORDS;
        tail = head;
        there = 0;
    }
    for (; n < max && n < there; n++, tail++)
        memcpy(out[n], r->record[tail & (RING_RECORDS - 1)], STEPREC_BYTES);
    if (n > 0 || lost > 0)
        atomic_store_explicit(&r->tail, tail, memory_order_release);
    if (ret_lost)
        *ret_lost = lost;
    return n;
}
