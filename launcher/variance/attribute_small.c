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

static void usual_of_others(const struct attribute *a, const struct steps_closed *c,
                            struct excess_usual *ret)
{
    const struct steprec *r = &c->late[0];
    attribute_usual(a, &a->ranks[r->rank], ret);
    (void)attribute_others(c, r, ret);
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
    if (!steprec_is_marked(&charge.r) && c->sums.n_host < c->n_compared)
        attribute_forget_host(&charge.r);
    usual_of_others(a, c, &charge.usual);
    attribute_doubt(&charge.r, &charge.usual, charge.excess_us);
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
