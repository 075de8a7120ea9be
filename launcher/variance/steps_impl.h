/* SPDX-License-Identifier: MIT */
/* steps_impl - what the files of steps share; no one else's. */
#ifndef LAUNCHER_VARIANCE_STEPS_IMPL_H
#define LAUNCHER_VARIANCE_STEPS_IMPL_H

#include "launcher/variance/steps.h"
#include "launcher/variance/stepwindow.h"

#define RECENT        128 /* steps that the live line speaks of */
#define JOB_PRECISION 7   /* 0.39 % */

struct rank {
    bool known; /* has reported, and has histograms */
    uint32_t attempt, last_step, warm;
    uint64_t n, dropped, loss_sum, slowest_n;
    uint64_t busy_sum, wait_sum, cpu_sum, rundelay_sum, throttled_sum, blocked_sum,
        stolen_sum;
    uint64_t paced_sum; /* of wall, in which it is not known yet what was waiting */
    struct hist wall, busy, wait;
    double mean, m2; /* Welford's, of wall */
};

struct recent {
    uint32_t step, t, loss, median, lead;
    int32_t slowest;
    uint64_t charged, lead_end_ns;
    bool counted;
};

struct steps {
    struct steps_ops ops;
    uint32_t world_size, warmup, n_known;
    uint32_t attempt; /* the latest of any rank */
    struct rank *ranks;
    struct stepwindow window;
    uint32_t *scratch; /* world_size */
    struct hist t;
    uint64_t closed, special, uncompared, loss_sum;
    uint64_t paced_sum; /* of t, since a step was compared */
    double loss_squares;
    struct recent recent[RECENT];
    uint64_t n_recent; /* ever */
    uint64_t now_ms;
    uint32_t told_attempt; /* of the step that was told of last */
    uint64_t told_next;    /* one more than its last whole step */
    uint64_t
        done_before; /* the same of the attempts before it, whichever got farthest */
};

/* steps_rank.c */
bool steps_rank_is_ready(struct steps *s, struct rank *k); /* false: no memory */
void steps_rank_count(struct rank *k, const struct steprec *r);
/* The part of `of` that is like `part` of `whole`: no more than STANDS_FOR of them. */
uint64_t steps_as_much(uint64_t of, uint32_t part, uint32_t whole);

/* steps_close.c */
/* Of the ranks that mark steps at all: one that never does is not waited for. */
bool steps_has_enough(const struct steps *s, uint32_t n);
void steps_close(struct steps *s, struct open_step *o);
int steps_compare_u32(const void *a, const void *b); /* for qsort */

#endif
