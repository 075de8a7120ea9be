/* SPDX-License-Identifier: MIT */
/* stepqueue - the step records of one rank that its agent made itself, until they are
 * sent. Bounded: when it is full the oldest is lost and counted, as in the step ring. */
#ifndef AGENT_STEPQUEUE_H
#define AGENT_STEPQUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/wire/steprec.h"

#define STEPQUEUE_RECORDS 2048u /* a power of two */

struct stepqueue { /* zeroed: empty */
    uint8_t (*at)[STEPREC_BYTES];
    uint64_t head, tail, lost;
    bool gap; /* records were lost before the oldest one here */
};

void stepqueue_fini(struct stepqueue *q);
/* 0; 1: the oldest was lost for it; -ENOMEM: this one was, and is counted. */
int stepqueue_push(struct stepqueue *q, const struct steprec *r);
/* Oldest first, at most max; how many. The first is flagged if others were lost before
 * it. */
unsigned stepqueue_pop(struct stepqueue *q, uint8_t (*out)[STEPREC_BYTES],
                       unsigned max);
static inline bool stepqueue_is_empty(const struct stepqueue *q)
{
    return q->head == q->tail;
}

#endif
