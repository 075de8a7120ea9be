/* SPDX-License-Identifier: MIT */
/* collrec.c - the record's bytes, and a lane of one producer and one consumer.
 *
 * It is compiled into the profiler plug-in too and so depends on cur.c alone. A lane works
 * as the step ring does: positions only grow, head is released after the record was
 * written, and neither side needs a lock or a system call.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "proto/base/cur.h"
#include "proto/wire/collrec.h"

_Static_assert((COLL_RECORDS & (COLL_RECORDS - 1)) == 0, "positions are masked");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "a lock would not be shared by processes");

/* In words, not fields: this is done in a callback of a tenth of a microsecond. */
void collrec_encode(const struct collrec *r, uint8_t ret[COLLREC_BYTES])
{
    uint64_t word[] = {
        htole64(r->t_ns),
        htole64(r->comm),
        htole64(r->bytes),
        htole64((uint64_t)r->seq | (uint64_t)r->dur_ns << 32),
        htole64((uint64_t)r->n_ranks | (uint64_t)r->kind << 16 |
                (uint64_t)r->flags << 24 | (uint64_t)r->sig.func << 32 |
                (uint64_t)r->sig.datatype << 40 | (uint64_t)r->sig.size_class << 48),
    };
    _Static_assert(sizeof word == COLLREC_BYTES, "all of it");
    memcpy(ret, word, sizeof word);
}

bool collrec_decode(const uint8_t data[COLLREC_BYTES], struct collrec *ret)
{
    struct cur c = cur_of(data, COLLREC_BYTES);
    struct collrec r = {0};
    r.t_ns = cur_u64(&c);
    r.comm = cur_u64(&c);
    r.bytes = cur_u64(&c);
    r.seq = cur_u32(&c);
    r.dur_ns = cur_u32(&c);
    r.n_ranks = cur_u16(&c);
    r.kind = cur_u8(&c);
    r.flags = cur_u8(&c);
    r.sig.func = cur_u8(&c);
    r.sig.datatype = cur_u8(&c);
    r.sig.size_class = cur_u8(&c);
    if (r.kind < COLLREC_CALL || r.kind > COLLREC_COMM || r.sig.func >= COLL_N)
        return false;
    *ret = r;
    return true;
}

const char *coll_func_name(unsigned func)
{
    static const char *const names[COLL_N] = {
        [COLL_OTHER] = "collective",    [COLL_ALLREDUCE] = "AllReduce",
        [COLL_ALLGATHER] = "AllGather", [COLL_REDUCESCATTER] = "ReduceScatter",
        [COLL_BROADCAST] = "Broadcast", [COLL_REDUCE] = "Reduce",
        [COLL_ALLTOALL] = "AlltoAll",   [COLL_SEND] = "Send",
        [COLL_RECV] = "Recv",
    };
    return names[func < COLL_N ? func : COLL_OTHER];
}

struct collsig collsig_of(unsigned func, unsigned datatype, uint64_t bytes)
{
    struct collsig s = {
        .func = (uint8_t)(func < COLL_N ? func : COLL_OTHER),
        .datatype = (uint8_t)(datatype < UINT8_MAX ? datatype : UINT8_MAX),
    };
    if (bytes > 1 && s.func != COLL_ALLTOALL && s.func != COLL_SEND &&
        s.func != COLL_RECV)
        s.size_class = (uint8_t)(63 - __builtin_clzll(bytes));
    return s;
}

void collfile_init(struct collfile *f)
{
    f->version = COLLFILE_VERSION;
    f->lanes = COLL_LANES;
    f->wish.depth = COLL_DEPTH_CALLS;
    /* last: who sees the magic sees a whole file */
    __atomic_store_n(&f->magic, COLLFILE_MAGIC, __ATOMIC_RELEASE);
}

int colllane_push(struct colllane *l, const uint8_t rec[COLLREC_BYTES])
{
    uint64_t head = atomic_load_explicit(&l->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&l->tail, memory_order_acquire);
    if (head - tail >= COLL_RECORDS) {
        /* the only writer: an atomic add would cost a locked instruction for nothing */
        uint64_t n = atomic_load_explicit(&l->dropped, memory_order_relaxed);
        atomic_store_explicit(&l->dropped, n + 1, memory_order_relaxed);
        return -ENOSPC;
    }
    memcpy(l->record[head & (COLL_RECORDS - 1)], rec, COLLREC_BYTES);
    atomic_store_explicit(&l->head, head + 1, memory_order_release);
    return 0;
}
