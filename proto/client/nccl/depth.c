/* SPDX-License-Identifier: MIT */
/* depth.c - see depth.h. */
#include "proto/client/nccl/depth.h"

#include "proto/client/nccl/ncclabi.h"

#include <stddef.h>
#include <string.h>

#define COPY_TRIES 4

static uint32_t peek(const _Atomic uint32_t *v)
{
    return atomic_load_explicit(v, memory_order_relaxed);
}

static uint32_t depth_named(const char *word)
{
    static const char *const names[] = {[COLL_DEPTH_NONE] = "none",
                                        [COLL_DEPTH_CALLS] = "calls",
                                        [COLL_DEPTH_ENQUEUED] = "enqueued",
                                        [COLL_DEPTH_DEEP] = "deep"};
    for (uint32_t i = 0; word && i < sizeof names / sizeof *names; i++)
        if (strcmp(word, names[i]) == 0)
            return i;
    return DEPTH_AS_WISHED;
}

void depth_init(struct depth *d, const struct collwish *wish, const char *word,
                bool is_slowed)
{
    d->wish = wish;
    d->always = depth_named(word);
    if (d->always < COLL_DEPTH_DEEP)
        d->no_times = COLL_NO_TIMES_ASKED;
    else if (is_slowed && d->always != COLL_DEPTH_DEEP)
        d->no_times = COLL_NO_TIMES_SLOWED;
    else
        d->no_times = COLL_TIMES_GOOD;
    atomic_store(&d->gen, 1); /* odd: the generation of no wish */
    atomic_store(&d->in_deep_step, false);
    depth_look(d);
}

/* False: the agent is writing it just now. */
static bool wish_copy(struct depth *d)
{
    const struct collwish *w = d->wish;
    uint32_t gen = atomic_load_explicit(&w->gen, memory_order_acquire);
    uint32_t depth = __atomic_load_n(&w->depth, __ATOMIC_ACQUIRE);
    uint32_t every = __atomic_load_n(&w->deep_every, __ATOMIC_ACQUIRE);
    uint32_t n = __atomic_load_n(&w->deep_n, __ATOMIC_ACQUIRE);
    uint64_t comm = __atomic_load_n(&w->anchor_comm, __ATOMIC_ACQUIRE);
    uint32_t key = __atomic_load_n(&w->anchor_key, __ATOMIC_ACQUIRE);
    if (gen & 1 || peek(&w->gen) != gen)
        return false;
    if (d->always != DEPTH_AS_WISHED) {
        depth = d->always;
        every = 0;
    }
    if (every == 0 || comm != atomic_load(&d->anchor_comm) ||
        key != peek(&d->anchor_key))
        atomic_store(&d->in_deep_step, false);
    atomic_store(&d->depth, depth);
    atomic_store(&d->deep_n, n);
    atomic_store(&d->anchor_comm, comm);
    atomic_store(&d->anchor_key, key);
    atomic_store(&d->deep_every, every);
    atomic_store(&d->gen, gen);
    return true;
}

void depth_look(struct depth *d)
{
    uint32_t idle = 0;
    if (peek(&d->wish->gen) == peek(&d->gen) ||
        !atomic_compare_exchange_strong(&d->is_copying, &idle, 1))
        return; /* another thread is at it */
    for (int i = 0; i < COPY_TRIES && !wish_copy(d); i++)
        ;
    atomic_store(&d->is_copying, 0);
}

bool depth_call(struct depth *d, uint64_t comm, uint32_t key, uint32_t seq)
{
    uint32_t every = peek(&d->deep_every);
    if (every == 0 || d->no_times != COLL_TIMES_GOOD || key != peek(&d->anchor_key) ||
        comm != atomic_load_explicit(&d->anchor_comm, memory_order_relaxed))
        return false;
    bool deep = seq % every < peek(&d->deep_n);
    return atomic_exchange(&d->in_deep_step, deep) != deep;
}

void depth_forget(struct depth *d, uint64_t comm)
{
    if (comm == atomic_load(&d->anchor_comm))
        atomic_store(&d->in_deep_step, false);
}

bool depth_is_deep(const struct depth *d)
{
    return d->no_times == COLL_TIMES_GOOD &&
           (atomic_load_explicit(&d->in_deep_step, memory_order_relaxed) ||
            peek(&d->depth) >= COLL_DEPTH_DEEP);
}

/* Groups alone. Versions 1 and 2 tell of one only to whom something in it may concern, and of
 * sends and receives only beside collectives. */
int depth_groups(unsigned version)
{
    return version >= 5   ? NCCLABI_GROUP_API
           : version >= 3 ? NCCLABI_GROUP
                          : NCCLABI_P2P;
}

/* Before version 4 there are no times, so nothing is to be had from kernel events. */
int depth_mask(const struct depth *d, unsigned version, bool captured)
{
    bool is_deep = depth_is_deep(d) && !captured;
    uint32_t depth = is_deep ? COLL_DEPTH_DEEP : peek(&d->depth);
    if (captured && depth > COLL_DEPTH_CALLS)
        depth = COLL_DEPTH_CALLS;
    int mask = depth_groups(version);
    if (depth == COLL_DEPTH_NONE)
        return mask;
    mask = version >= 5 ? mask | NCCLABI_COLL_API | NCCLABI_P2P_API
                        : NCCLABI_COLL | NCCLABI_P2P;
    if (depth >= COLL_DEPTH_ENQUEUED)
        mask |= NCCLABI_COLL;
    if (is_deep && version >= 4)
        mask |= NCCLABI_KERNEL_CH;
    return mask;
}
