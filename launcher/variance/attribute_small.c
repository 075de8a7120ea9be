/* SPDX-License-Identifier: MIT */
/* attribute_small.c - the loss of steps in which nobody stands out.
 *
 * Where other programs take the cores of all ranks again and again, no single step is
 * unusual, and no rank is to be named for it; yet most of the loss may be there, and the
 * kernel has measured it. The slowest rank is set against the mean of the others in the
 * same step, for what all of them had made none of them the slowest. What could only be
 * inferred would be noise that is given a name: that stays small differences. */
#include <math.h>

#include "launcher/variance/attribute_impl.h"

static double mean_of_others(uint64_t sum, double own, uint32_t n)
{
    return n > 1 ? fmax(((double)sum - own) / (n - 1), 0) : 0;
}

static void usual_of_others(const struct attribute *a, const struct steps_closed *c,
                            struct excess_usual *ret)
{
    const struct steprec *r = &c->late[0];
    const struct steps_sums *s = &c->sums;
    attribute_usual(a, &a->ranks[r->rank], ret);
    ret->cpu = mean_of_others(s->cpu, r->cpu_us, c->n);
    ret->rundelay = mean_of_others(s->rundelay, r->rundelay_us, c->n);
    ret->throttled = mean_of_others(s->throttled, r->throttled_us, c->n);
    ret->blocked = mean_of_others(s->blocked, r->blocked_us, c->n);
    ret->stolen = mean_of_others(s->stolen, r->stolen_us, c->n);
    ret->faults = mean_of_others(s->faults, r->minflt16 * 16.0 + r->majflt, c->n);
}

void small_step(struct attribute *a, const struct steps_closed *c,
                const struct culprits *of)
{
    if (of->is[0]) /* the slowest is the first of the late ones */
        return;
    if (c->loss <= NOTICEABLE * c->median) {
        a->small_us += (double)c->charged;
        return;
    }
    struct charge charge = {
        .kind = CHARGE_SMALL,
        .deadline_ms = c->now_ms + ATTRIBUTE_WAIT_MS,
        .r = c->late[0],
        .excess_us = c->loss,
        .loss_us = (double)c->charged,
        .attempt = c->attempt,
    };
    usual_of_others(a, c, &charge.usual);
    charge_add(a, &charge, c->now_ms);
}

void small_charge(struct attribute *a, const struct charge *c, const struct excess *x)
{
    double left = c->loss_us, times = c->loss_us / c->excess_us;
    for (int i = 0; i <= MECH_FAULTS; i++) {
        a->loss_us[i] += x->part[i] * times;
        left -= x->part[i] * times;
    }
    a->small_us += fmax(left, 0);
}
