/* SPDX-License-Identifier: MIT */
/* timing.c - see timing.h.
 *
 * The word of a slot decides all: who looks at a slot pins it, which succeeds only while it
 * is live and of the generation that the handle names; who takes it for another collective
 * needs it unpinned, and moves the generation on. So no stamp of an old collective can
 * reach a new one, however late it comes.
 */
#include "proto/client/nccl/timing.h"

#include "proto/client/nccl/handle.h"

#define LIVE   (1ull << 31)
#define PINS   (LIVE - 1)
#define PROBES 8u
/* The host's time between enqueueing and hearing of the end bounds what the GPU can have
 * taken; NCCL tells of the first a moment after the GPU may have begun. */
#define SLACK_NS 100000000u

_Static_assert((TIMING_SLOTS & (TIMING_SLOTS - 1)) == 0, "places are masked");

static uint32_t word_generation(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

static bool slot_is_free(struct timed *s, uint64_t word, uint64_t now_ns)
{
    uint64_t born = atomic_load_explicit(&s->born_ns, memory_order_relaxed);
    return !(word & PINS) && (!(word & LIVE) || now_ns > born + TIMING_OLD_NS);
}

/* Not live yet, and pinned by us; 0 or the generation it has now. */
static bool slot_take(struct timed *s, uint64_t now_ns, uint32_t *ret_generation)
{
    uint64_t word = atomic_load_explicit(&s->word, memory_order_acquire);
    uint32_t generation = word_generation(word) + 1;
    if (!slot_is_free(s, word, now_ns) ||
        !atomic_compare_exchange_strong(&s->word, &word,
                                        (uint64_t)generation << 32 | 1))
        return false;
    *ret_generation = generation;
    return true;
}

static bool slot_pin(struct timed *s, uint32_t generation)
{
    uint64_t word = atomic_load_explicit(&s->word, memory_order_acquire);
    do {
        if (word_generation(word) != generation || !(word & LIVE))
            return false;
    } while (!atomic_compare_exchange_weak(&s->word, &word, word + 1));
    return true;
}

static void slot_unpin(struct timed *s)
{
    atomic_fetch_sub_explicit(&s->word, 1, memory_order_release);
}

uint64_t timing_open(struct timing *t, const struct collrec *rec, unsigned n_channels,
                     uint64_t now_ns)
{
    if (n_channels == 0 || n_channels > TIMING_CHANNELS)
        return 0;
    for (unsigned i = 0; i < PROBES; i++) {
        unsigned at = atomic_fetch_add_explicit(&t->next, 1, memory_order_relaxed);
        struct timed *s = &t->slot[at &= TIMING_SLOTS - 1];
        struct handle h = {.kind = HANDLE_TIMED, .slot = at};
        if (!slot_take(s, now_ns, &h.generation))
            continue;
        s->rec = *rec;
        s->n_channels = n_channels;
        atomic_store_explicit(&s->born_ns, now_ns, memory_order_relaxed);
        atomic_store_explicit(&s->n_done, 0, memory_order_relaxed);
        atomic_store_explicit(&s->is_bad, false, memory_order_relaxed);
        atomic_store_explicit(&s->first_ns, UINT64_MAX, memory_order_relaxed);
        atomic_store_explicit(&s->last_ns, 0, memory_order_relaxed);
        for (unsigned c = 0; c < TIMING_CHANNELS; c++)
            atomic_store_explicit(&s->start_ns[c], 0, memory_order_relaxed);
        atomic_store(&s->word, (uint64_t)h.generation << 32 | LIVE);
        return handle_pack(&h);
    }
    return 0;
}

uint64_t timing_start(struct timing *t, uint64_t coll, unsigned channel,
                      uint64_t start_ns)
{
    struct handle h = handle_unpack(coll);
    if (h.kind != HANDLE_TIMED || h.slot >= TIMING_SLOTS)
        return 0;
    struct timed *s = &t->slot[h.slot];
    if (!slot_pin(s, h.generation))
        return 0;
    h.kind = HANDLE_CHANNEL;
    h.channel = channel;
    /* Without a stamp, or twice: whatever comes of it is no time. */
    uint64_t none = 0, stamp = start_ns ? start_ns : UINT64_MAX;
    bool is_new = channel < TIMING_CHANNELS &&
                  atomic_compare_exchange_strong(&s->start_ns[channel], &none, stamp);
    if (!is_new)
        atomic_store_explicit(&s->is_bad, true, memory_order_relaxed);
    slot_unpin(s);
    return is_new ? handle_pack(&h) : 0;
}

static void slot_widen(struct timed *s, uint64_t start_ns, uint64_t stop_ns)
{
    uint64_t first = atomic_load_explicit(&s->first_ns, memory_order_relaxed);
    uint64_t last = atomic_load_explicit(&s->last_ns, memory_order_relaxed);
    while (start_ns < first &&
           !atomic_compare_exchange_weak(&s->first_ns, &first, start_ns))
        ;
    while (stop_ns > last && !atomic_compare_exchange_weak(&s->last_ns, &last, stop_ns))
        ;
}

static enum timing_end slot_end(struct timed *s, uint64_t now_ns, struct collrec *ret)
{
    uint64_t first = atomic_load(&s->first_ns), last = atomic_load(&s->last_ns);
    uint64_t host_ns = now_ns - atomic_load(&s->born_ns);
    if (atomic_load(&s->is_bad) || last - first > host_ns + SLACK_NS)
        return TIMING_BAD;
    *ret = s->rec;
    ret->t_ns = now_ns;
    ret->kind = COLLREC_DONE;
    ret->dur_ns = last - first > UINT32_MAX ? UINT32_MAX : (uint32_t)(last - first);
    return TIMING_DONE;
}

enum timing_end timing_stop(struct timing *t, uint64_t channel, uint64_t stop_ns,
                            uint64_t now_ns, struct collrec *ret_rec)
{
    enum timing_end end = TIMING_MORE;
    struct handle h = handle_unpack(channel);
    if (h.kind != HANDLE_CHANNEL || h.slot >= TIMING_SLOTS)
        return end;
    struct timed *s = &t->slot[h.slot];
    if (!slot_pin(s, h.generation))
        return end;
    uint64_t start_ns = atomic_exchange(&s->start_ns[h.channel], 0);
    if (start_ns != 0) {
        if (start_ns > stop_ns)
            atomic_store(&s->is_bad, true);
        else
            slot_widen(s, start_ns, stop_ns);
        if (atomic_fetch_add(&s->n_done, 1) + 1 == s->n_channels) {
            end = slot_end(s, now_ns, ret_rec);
            atomic_fetch_and(&s->word, ~LIVE);
        }
    }
    slot_unpin(s);
    return end;
}
