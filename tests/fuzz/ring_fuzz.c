/* SPDX-License-Identifier: MIT */
/* ring_fuzz - a hostile producer: whatever stands in the ring, the consumer reads inside
 * it, never more than was asked, and comes to an end. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/cur.h"
#include "proto/wire/steprec.h"

#define BATCH 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum ring_step { STEP_HEAD, STEP_TAIL, STEP_HEADER, STEP_PUSH, STEP_POP, N_STEPS };

static void pop(struct ring *r, unsigned max)
{
    uint8_t out[BATCH][STEPREC_BYTES];
    uint64_t head = atomic_load(&r->head), lost = 1;
    uint64_t there = head - atomic_load(&r->tail);
    unsigned n = ring_pop(r, out, max, &lost);
    assert(n <= max && lost == (there > RING_RECORDS ? RING_RECORDS : 0));
    assert(head - atomic_load(&r->tail) <= RING_RECORDS);
    for (unsigned i = 0; i < n; i++) {
        struct steprec s;
        uint8_t again[STEPREC_BYTES];
        steprec_decode(out[i], &s);
        steprec_encode(&s, again);
        assert(memcmp(again, out[i], sizeof again) == 0);
        assert(steprec_busy_us(&s) <= s.wall_us);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cur c = cur_of(data, size);
    struct ring *r = calloc(1, RING_BYTES);
    uint8_t rec[STEPREC_BYTES];
    if (!r)
        return 0;
    ring_init(r);
    while (cur_left(&c) > 0 && !c.bad) {
        uint8_t b = cur_u8(&c);
        switch ((enum ring_step)(b % N_STEPS)) {
        case STEP_HEAD:
            atomic_store(&r->head, cur_u64(&c));
            break;
        case STEP_TAIL:
            atomic_store(&r->tail, cur_u64(&c));
            break;
        case STEP_HEADER:
            cur_bytes(&c, r, 16);
            break;
        case STEP_PUSH:
            memset(rec, cur_u8(&c), sizeof rec);
            for (unsigned n = 0; n <= b; n++)
                (void)ring_push(r, rec);
            break;
        case STEP_POP:
        case N_STEPS:
            pop(r, cur_u8(&c) % (BATCH + 1));
            break;
        }
    }
    free(r);
    return 0;
}
