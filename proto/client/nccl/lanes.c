/* SPDX-License-Identifier: MIT */
/* lanes.c - see lanes.h. */
#include "proto/client/nccl/lanes.h"

static bool lane_take(struct lane_state *s)
{
    uint32_t idle = 0;
    return atomic_load_explicit(&s->taken, memory_order_relaxed) == 0 &&
           atomic_compare_exchange_strong_explicit(
               &s->taken, &idle, 1, memory_order_acquire, memory_order_relaxed);
}

static void lane_write(struct colllane *l, struct lane_state *s, struct collrec *r)
{
    uint8_t bytes[COLLREC_BYTES];
    if (r->t_ns < s->last_ns)
        r->t_ns = s->last_ns;
    s->last_ns = r->t_ns;
    if (s->gap)
        r->flags |= COLLREC_GAP;
    collrec_encode(r, bytes);
    s->gap = colllane_push(l, bytes) < 0;
}

/* The agent looks at the first n_lanes only. */
static void lanes_show(struct collfile *f, uint32_t n)
{
    uint32_t seen = atomic_load_explicit(&f->n_lanes, memory_order_relaxed);
    while (seen < n && !atomic_compare_exchange_weak(&f->n_lanes, &seen, n))
        ;
}

void lanes_push(struct lanes *l, unsigned home, struct collrec *r)
{
    for (unsigned i = 0; i < COLL_LANES; i++) {
        unsigned at = (home + i) % COLL_LANES;
        if (!lane_take(&l->state[at]))
            continue;
        lanes_show(l->file, at + 1);
        if (atomic_load_explicit(&l->lost, memory_order_relaxed) &&
            atomic_exchange(&l->lost, false))
            l->state[at].gap = true;
        lane_write(&l->file->lane[at], &l->state[at], r);
        atomic_store_explicit(&l->state[at].taken, 0, memory_order_release);
        return;
    }
    atomic_store_explicit(&l->lost, true, memory_order_relaxed);
    atomic_fetch_add_explicit(&l->file->homeless, 1, memory_order_relaxed);
}
