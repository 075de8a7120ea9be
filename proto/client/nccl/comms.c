/* SPDX-License-Identifier: MIT */
/* comms.c - see comms.h. */
#include "proto/client/nccl/comms.h"

#include <stddef.h>

_Static_assert((COMMS_SIGS & (COMMS_SIGS - 1)) == 0, "places are masked");

struct comm *comms_take(struct comms *c)
{
    for (unsigned i = 0; i < COMMS_MAX; i++) {
        struct comm *m = &c->comm[i];
        uint32_t is_free = 0;
        if (!atomic_compare_exchange_strong(&m->is_taken, &is_free, 1))
            continue;
        m->n_ranks = 0;
        m->version = 0;
        m->is_mute = false;
        m->mask = NULL;
        m->theirs = NULL;
        for (unsigned s = 0; s < COMMS_SIGS; s++) {
            atomic_store_explicit(&m->sig[s].key1, 0, memory_order_relaxed);
            atomic_store_explicit(&m->sig[s].count, 0, memory_order_relaxed);
        }
        return m;
    }
    return NULL;
}

void comms_give_back(struct comm *m)
{
    atomic_store(&m->id, 0);
    atomic_fetch_add(&m->generation, 1);
    atomic_store(&m->is_taken, 0);
}

bool comms_holds(const struct comms *c, const void *m)
{
    uintptr_t at = (uintptr_t)m - (uintptr_t)c->comm;
    return at < sizeof c->comm && at % sizeof *c->comm == 0;
}

bool comms_has(const struct comms *c, uint64_t id)
{
    for (unsigned i = 0; i < COMMS_MAX; i++)
        if (atomic_load(&c->comm[i].is_taken) && atomic_load(&c->comm[i].id) == id)
            return true;
    return false;
}

unsigned comm_sig_find(struct comm *m, uint32_t key)
{
    uint32_t key1 = key + 1;
    uint32_t at =
        key1 * 2654435761u >> 24; /* Knuth's: the high bits are the good ones */
    for (unsigned i = 0; i < COMMS_SIGS; i++, at++) {
        struct comm_sig *s = &m->sig[at & (COMMS_SIGS - 1)];
        uint32_t is = atomic_load_explicit(&s->key1, memory_order_relaxed);
        if (is == 0 && atomic_compare_exchange_strong(&s->key1, &is, key1))
            return at & (COMMS_SIGS - 1);
        if (is == key1)
            return at & (COMMS_SIGS - 1);
    }
    return COMMS_SIG_NONE;
}
