/* SPDX-License-Identifier: MIT */
/* allocwait - the words to the user while a job waits in the queue: a line at the foot of
 * a terminal, or lines in a log when something has changed. */
#ifndef LAUNCHER_SLURM_ALLOCWAIT_H
#define LAUNCHER_SLURM_ALLOCWAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "launcher/slurm/queue.h"
#include "proto/base/loop.h"

struct allocwait;
/* From now on. While it lives, the log goes above its line. NULL: no memory. */
struct allocwait *allocwait_create(struct loop *l);
void allocwait_pending(struct allocwait *w,
                       uint32_t id);         /* it has a place in the queue */
void allocwait_cancel(struct allocwait *w);  /* the user has asked for the end */
void allocwait_destroy(struct allocwait *w); /* takes NULL */

/* ---- the pure part ---- */
struct allocwait_said { /* what the log has last said */
    bool any;
    uint32_t position;
    char reason[96];
    uint64_t start_real_ns;
    uint64_t at_ms;    /* when */
    uint64_t again_ms; /* how long after it the same may be said again */
};
/* Is it time for a line? What has changed is said within seconds, what has not at ever
 * longer intervals, from a minute to an hour. Remembers it if so. */
bool allocwait_is_news(struct allocwait_said *s, const struct slurm_queue *q,
                       uint64_t now_ms);

#endif
