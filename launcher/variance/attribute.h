/* SPDX-License-Identifier: MIT */
/* attribute - who made the others wait, since when, and by what. Pure: records and closed
 * steps in (steps.h), node signals (signals.h), any clock in milliseconds.
 *
 * Of each step in the statistics: M = median busy, E = max busy - M. Culprits are the ranks
 * (three at most) whose busy is above M by more than 6 sigma of their own usual spread and
 * 5 % of M (with one rank: above its own usual); in a slow spell by more than half of what
 * it is slow by, or by 5 %. The excess of a culprit is busy minus the lesser of M and its own
 * usual, split by excess.h. E is charged to the slowest rank, divided as its excess is, so
 * that the losses by mechanism sum up to the straggler loss. Where the slowest is no
 * culprit no rank is named; of an E above 5 % of M what was measured (throttled to page
 * faults) is charged to the mechanism, and the rest is "small differences" (`small_us`).
 * Common mode: what M rose above its own usual (more than 5 % and 6 sigma), split by the
 * means of the parts over the ranks, and what the shortest wait of any rank rose
 * (MECH_NETWORK): no straggler loss, but told beside it.
 * A step whose signals have not come waits for them, ATTRIBUTE_WAIT_MS at most.
 *
 * Slow spells: cusum.h on each rank; a spell collects what was charged in it.
 */
#ifndef LAUNCHER_VARIANCE_ATTRIBUTE_H
#define LAUNCHER_VARIANCE_ATTRIBUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "launcher/variance/excess.h"
#include "launcher/variance/mechanism.h"
#include "launcher/variance/signals.h"
#include "launcher/variance/steps.h"
#include "proto/base/hist.h"

#define ATTRIBUTE_WAIT_MS 2500u
#define ATTRIBUTE_QUEUE \
    4096u /* late steps that wait for signals; older ones go without */
#define ATTRIBUTE_CULPRITS 3u   /* of one step */
#define ATTRIBUTE_SPELLS   512u /* kept; more are counted */

struct attribute;

struct culprit { /* of one step */
    uint32_t rank, step, attempt;
    uint64_t t_end_ns; /* of the rank's step, its node's clock */
    uint32_t busy_us, usual_us;
    double loss_us; /* of E; 0: another was slower */
    struct excess excess;
};

struct spell { /* a rank that was slow for some time */
    uint32_t rank, attempt, first_step,
        last_step;           /* last: so far, or of the recovery */
    uint64_t from_ms, to_ms; /* the caller's clock, when it was noticed */
    bool over;
    double percent;      /* slower than before, or than the others: its mean so far */
    uint64_t steps;      /* in which it was a culprit */
    double part[MECH_N]; /* its excess in them, us */
    double excess_us, loss_us;
    enum mechanism what;
};

struct blame { /* a rank and a mechanism */
    uint32_t rank;
    enum mechanism what;
    uint64_t steps; /* in which it was the larger part of this rank's excess */
    uint32_t first_step, last_step;
    double loss_us, excess_us;
};

struct attribution {          /* all borrowed from the attribute, until the next call */
    uint64_t steps;           /* compared */
    double t_us;              /* sum of their times: the slowest rank's wall */
    double loss_us[MECH_N];   /* straggler loss */
    double small_us;          /* straggler loss of no culprit: ranks are never equal */
    double common_us[MECH_N]; /* above the usual, of all ranks together */
    double outside_us;        /* least that others took from the step time: stolen,
                                    preempted and memory, as straggler loss and in common;
                                    without preempted where ranks share cores */
    const struct blame *blames; /* most loss first */
    size_t n_blames;
    const struct spell *spells; /* in order of their beginning */
    size_t n_spells;
    uint64_t more_spells;
    const struct hist
        *excess; /* of (busy - M)+ in 1/10000 of M, all ranks and steps but
                                  those of slow spells; at most 65535 */
};

struct attribute_ops {
    void (*culprit)(void *arg, const struct culprit *c);
    /* A spell has begun (not over) or ended. */
    void (*spell)(void *arg, const struct spell *s);
    /* Where a rank runs, for signals_over; any may be NULL. */
    void (*where)(void *arg, uint32_t rank, uint32_t *ret_node, const char **ret_cpus,
                  const char **ret_gpu, const char **ret_nic);
    void *arg;
    bool shared_cores; /* ranks of the job preempt each other */
};

/* signals may be NULL: none are known. Both outlive it. -ENOMEM. */
int attribute_create(uint32_t world_size, const struct signals *signals,
                     const struct attribute_ops *ops, struct attribute **ret);
void attribute_destroy(struct attribute *a);
/* As steps_ops: hang them in with `arg` = the attribute. */
void attribute_record(void *arg, const struct steprec *r, uint32_t attempt);
void attribute_step(void *arg, const struct steps_closed *c);
void attribute_tick(struct attribute *a, uint64_t now_ms);
void attribute_finish(struct attribute *a,
                      uint64_t now_ms); /* spells that last are not over */
/* Some rank is slow, or near to being called so. */
bool attribute_is_uneasy(const struct attribute *a);
void attribute_result(struct attribute *a, struct attribution *ret);

#endif
