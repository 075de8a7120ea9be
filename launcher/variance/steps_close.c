/* SPDX-License-Identifier: MIT */
/* steps_close.c - a step for whose records nobody waits any more: its ranks are compared,
 * and the straggler loss is charged. */
#include <stdlib.h>

#include "launcher/variance/steps_impl.h"

#define SLOW_PERCENT 105 /* of the median: a rank counts as slowest above it */

int steps_compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t median_busy(struct steps *s, const struct open_step *o)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->world_size; i++)
        if (o->busy[i] != STEP_ABSENT)
            s->scratch[n++] = o->busy[i];
    qsort(s->scratch, n, sizeof *s->scratch, steps_compare_u32);
    return s->scratch[(n - 1) / 2];
}

/* Charge the straggler loss. */
static void charge(struct steps *s, struct open_step *o)
{
    struct steps_closed *c = &o->c;
    uint32_t top = 0, busy = 0;
    c->median = median_busy(s, o);
    for (uint32_t i = 0; i < s->world_size; i++) {
        if (o->busy[i] != STEP_ABSENT && o->busy[i] > busy) {
            top = i;
            busy = o->busy[i];
        }
    }
    if (busy <= c->median)
        return;
    c->loss = busy - c->median;
    c->charged = c->loss + steps_as_much(s->paced_sum, c->loss, c->t);
    c->slowest = (int32_t)top;
    s->loss_sum += c->charged;
    s->loss_squares += (double)c->charged * (double)c->charged;
    s->ranks[top].loss_sum += c->charged;
    if ((uint64_t)busy * 100 > (uint64_t)c->median * SLOW_PERCENT)
        s->ranks[top].slowest_n++;
}

bool steps_has_enough(const struct steps *s, uint32_t n)
{
    return (uint64_t)n * 10 >= (uint64_t)s->n_known * 9;
}

/* That what a rank slept was waiting for others nobody has said; see steps.h. */
static bool is_doubtful(const struct steps *s, const struct open_step *o)
{
    const struct steprec *top = &o->late[0];
    if (o->c.n_late == 0 || top->source != STEPREC_LOG)
        return false;
    return (uint64_t)o->c.n_compared * 10 < (uint64_t)s->world_size * 9 ||
           (uint64_t)steprec_busy_us(top) * 2 < o->c.t;
}

void steps_close(struct steps *s, struct open_step *o)
{
    struct steps_closed *c = &o->c;
    open_step_close(o, s->world_size, steps_has_enough(s, c->n_compared));
    c->enough = steps_has_enough(s, c->n);
    if (!c->enough)
        return; /* the slowest rank may be among those that are missing */
    if (c->flags & STEPREC_SPECIAL) {
        s->special++;
    } else if (!c->warming) {
        c->counted = true;
        c->paced = c->paced || is_doubtful(s, o);
        if (!c->paced)
            charge(s, o);
        s->paced_sum = c->paced ? s->paced_sum + c->t : 0;
        s->uncompared += c->paced;
        hist_add(&s->t, c->t);
        s->closed++;
    }
    s->recent[s->n_recent++ % RECENT] = (struct recent){.step = c->step,
                                                        .t = c->t,
                                                        .loss = c->loss,
                                                        .charged = c->charged,
                                                        .median = c->median,
                                                        .lead = c->lead,
                                                        .lead_end_ns = c->lead_end_ns,
                                                        .slowest = c->slowest,
                                                        .counted = c->counted};
}
