/* SPDX-License-Identifier: MIT */
/* steps - what the head knows of step times: per rank histograms, the step in which all
 * ranks have reported, the slowest rank, straggler loss. Pure: no clock, no I/O.
 *
 * busy = wall - waiting. For a step, E = max busy - median busy over the ranks is the
 * straggler loss, charged to the rank with the largest busy. Of an even number of ranks
 * the median is the lower one of the middle two: with the slowest left out, that is the
 * median of the others. So of two ranks the other one is the measure, and E is the whole
 * difference. A step is closed when all
 * ranks have reported it, or 2 s after its first record when 90 % have (of those that ever
 * reported anything). The first `warmup` steps of a rank, again after a restart, and
 * special steps stay out of histograms and loss.
 *
 * Of a step that is known by the pace of the hosts alone (STEPREC_HOST_PACED) nobody knows
 * who waited: hosts that run ahead of their GPUs are late or early by chance. Its time
 * counts, its ranks are not compared; the next step that can be compared stands for it, in
 * the loss and in what ranks waited. Where that is so of a tenth of the ranks at most, the
 * others are compared, and those are in no figure of the step. Nor are ranks compared where
 * they are known by lines of their output, and more than a tenth of them writes none or the
 * busiest slept for more than half of the step: the late one may be among those, or what
 * they slept for have hidden the difference.
 */
#ifndef LAUNCHER_VARIANCE_STEPS_H
#define LAUNCHER_VARIANCE_STEPS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/err.h"
#include "proto/base/hist.h"
#include "proto/wire/steprec.h"

struct steps;

#define STEP_ABSENT   UINT32_MAX
#define STEPS_UNKNOWN UINT64_MAX /* a figure: no step tells it */
#define STEPS_LATE    4u /* of a step: the ranks whose records are kept for the closing */

/* Sums over the ranks that are compared, microseconds and counts; from cpu on only over the
 * n_host ranks of which the host's part is known. */
struct steps_sums {
    uint32_t n_host;
    uint64_t busy, wait, cpu, rundelay, throttled, blocked, stolen, faults;
};

/* A step that is over. All is borrowed for the time of the call. */
struct steps_closed {
    uint32_t step, attempt;
    uint64_t now_ms;
    uint32_t n;           /* ranks that have reported */
    uint32_t n_compared;  /* of them: it is known what they waited */
    const uint32_t *busy; /* by rank; STEP_ABSENT: not reported, or not compared */
    const struct steprec *late; /* those with the largest busy, largest first */
    size_t n_late;
    struct steps_sums sums;
    uint32_t t, median, loss; /* largest wall; of busy; E */
    uint64_t charged;  /* E, and as much of the steps before that were not compared */
    uint32_t min_wait; /* of any rank: what the collectives took by themselves */
    int32_t slowest;   /* -1: no loss */
    uint32_t lead;     /* lowest rank that has reported */
    uint32_t lead_wall;
    uint64_t lead_end_ns;
    uint16_t flags; /* of any rank: STEPREC_SPECIAL and its kinds */
    bool enough;    /* 90 % of the ranks have reported */
    bool warming;   /* for some rank */
    bool counted;   /* in the statistics: enough, not special, not warming */
    bool paced; /* of too many ranks it is not known what they waited: none compared */
    bool repeated; /* an earlier attempt had done this step */
};

struct steps_ops { /* any may be NULL */
    /* A record of a rank that is in its statistics; before the step closes. */
    void (*record)(void *arg, const struct steprec *r, uint32_t attempt);
    /* Every step, in order. */
    void (*closed)(void *arg, const struct steps_closed *c);
    void *arg;
};

struct steps_rank { /* times in microseconds */
    uint32_t rank;
    uint64_t n; /* steps in the statistics */
    uint64_t dropped;
    uint32_t last_step;
    uint64_t p50, p90, p99, max; /* wall */
    double mean, cv;             /* wall; cv = sd / mean, diagnostic */
    uint64_t wall_sum;
    /* STEPS_UNKNOWN: what it waited was known in none of its steps. */
    uint64_t busy_p50, wait_p50, busy_sum, wait_sum;
    uint64_t cpu_sum, rundelay_sum, throttled_sum, blocked_sum, stolen_sum;
    /* STEPS_UNKNOWN: then, and where no step was compared. */
    uint64_t loss_sum;  /* straggler loss charged to this rank */
    uint64_t slowest_n; /* steps in which it was the slowest by more than 5 % */
};

struct steps_now {          /* for the live line */
    uint32_t step;          /* last closed */
    uint64_t closed;        /* of any kind, warm-up too */
    double rate;            /* steps per second over the last closed steps */
    uint64_t p50, p99;      /* of the job's recent steps (T = largest wall), us */
    int32_t slowest_rank;   /* by loss over the recent steps; -1: none stands out */
    double slowest_percent; /* its busy above the median busy, percent of it */
};

struct steps_job {
    uint64_t closed, special;    /* closed: those in the statistics */
    uint64_t uncompared;         /* of these: nobody knows who waited in them */
    uint64_t p50, p90, p99, max; /* of T, the wall of the slowest rank of each step */
    uint64_t t_sum, loss_sum;    /* loss_sum: STEPS_UNKNOWN: all are uncompared */
};

/* ops: copied; may be NULL. */
int steps_create(uint32_t world_size, uint32_t warmup, const struct steps_ops *ops,
                 struct steps **ret);
void steps_destroy(struct steps *s);
/* Attempts before these records have done all steps below this one. */
void steps_done_before(struct steps *s, uint64_t step);
/* One record at now_ms (any monotonic clock). Records of a rank come in order; a step that
 * is already closed or repeats (a restart from a checkpoint) is handled as the header
 * says and never breaks the totals. */
void steps_add(struct steps *s, const struct steprec *r, uint64_t now_ms);
void steps_dropped(struct steps *s, uint32_t rank, uint64_t dropped);
void steps_tick(struct steps *s,
                uint64_t now_ms);   /* closes steps that waited too long */
void steps_finish(struct steps *s); /* closes all */

void steps_now(const struct steps *s, struct steps_now *ret);
void steps_job(const struct steps *s, struct steps_job *ret);
void steps_rank(const struct steps *s, uint32_t rank, struct steps_rank *ret);
/* The rank that the report names: it was charged most of the straggler loss (more than
 * half of it, and more than twice the next), what it was charged is more than 2 % of the
 * step time, and chance does not explain it: ranks that are all alike, each step's loss
 * falling on one of them at random, would show such a share less than once in a thousand
 * jobs. So a few steps, or a few pauses, name no one. -1 otherwise. */
int32_t steps_culprit(const struct steps *s);

#endif
