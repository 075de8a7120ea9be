/* SPDX-License-Identifier: MIT */
/* stepqueue.c - see stepqueue.h. The memory comes with the first record: most ranks mark
 * their steps themselves and need none. */
#include "agent/stepqueue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void stepqueue_fini(struct stepqueue *q)
{
    free(q->at);
    q->at = NULL;
}

int stepqueue_push(struct stepqueue *q, const struct steprec *r)
{
    if (!q->at && !(q->at = calloc(STEPQUEUE_RECORDS, sizeof *q->at))) {
        q->lost++;
        q->gap = true;
        return -ENOMEM;
    }
    bool full = q->head - q->tail == STEPQUEUE_RECORDS;
    if (full) {
        q->tail++;
        q->lost++;
        q->gap = true;
    }
    steprec_encode(r, q->at[q->head++ % STEPQUEUE_RECORDS]);
    return full;
}

static void flag_gap(uint8_t record[STEPREC_BYTES])
{
    struct steprec r;
    steprec_decode(record, &r);
    r.flags |= STEPREC_GAP;
    steprec_encode(&r, record);
}

unsigned stepqueue_pop(struct stepqueue *q, uint8_t (*out)[STEPREC_BYTES], unsigned max)
{
    unsigned n = 0;
    for (; n < max && !stepqueue_is_empty(q); n++)
        memcpy(out[n], q->at[q->tail++ % STEPQUEUE_RECORDS], STEPREC_BYTES);
    if (n > 0 && q->gap) {
        flag_gap(out[0]);
        q->gap = false;
    }
    return n;
}
