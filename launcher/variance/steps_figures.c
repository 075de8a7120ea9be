/* SPDX-License-Identifier: MIT */
/* steps_figures.c - what it comes to, for the job and for each rank. */
#include <math.h>

#include "launcher/variance/steps_impl.h"

static bool is_uncompared(const struct steps *s)
{
    return s->closed > 0 && s->uncompared == s->closed;
}

void steps_job(const struct steps *s, struct steps_job *ret)
{
    *ret = (struct steps_job){
        .closed = s->closed,
        .special = s->special,
        .uncompared = s->uncompared,
        .p50 = hist_quantile(&s->t, 0.5),
        .p90 = hist_quantile(&s->t, 0.9),
        .p99 = hist_quantile(&s->t, 0.99),
        .max = s->t.count ? s->t.max : 0,
        .t_sum = s->t.sum,
        .loss_sum = is_uncompared(s) ? STEPS_UNKNOWN : s->loss_sum,
    };
}

void steps_rank(const struct steps *s, uint32_t rank, struct steps_rank *ret)
{
    *ret = (struct steps_rank){.rank = rank};
    if (rank >= s->world_size)
        return;
    const struct rank *k = &s->ranks[rank];
    ret->dropped = k->dropped;
    ret->last_step = k->last_step;
    if (k->n == 0)
        return;
    ret->n = k->n;
    ret->p50 = hist_quantile(&k->wall, 0.5);
    ret->p90 = hist_quantile(&k->wall, 0.9);
    ret->p99 = hist_quantile(&k->wall, 0.99);
    ret->max = k->wall.max;
    ret->mean = k->mean;
    ret->cv = k->mean > 0 ? sqrt(k->m2 / (double)k->n) / k->mean : 0;
    bool known = k->wait.count > 0;
    ret->busy_p50 = known ? hist_quantile(&k->busy, 0.5) : STEPS_UNKNOWN;
    ret->wait_p50 = known ? hist_quantile(&k->wait, 0.5) : STEPS_UNKNOWN;
    ret->busy_sum = known ? k->busy_sum + k->paced_sum : STEPS_UNKNOWN;
    ret->wait_sum = known ? k->wait_sum : STEPS_UNKNOWN;
    ret->wall_sum = k->wall.sum;
    ret->cpu_sum = k->cpu_sum;
    ret->rundelay_sum = k->rundelay_sum;
    ret->throttled_sum = k->throttled_sum;
    ret->blocked_sum = k->blocked_sum;
    ret->stolen_sum = k->stolen_sum;
    known = known && !is_uncompared(s);
    ret->loss_sum = known ? k->loss_sum : STEPS_UNKNOWN;
    ret->slowest_n = known ? k->slowest_n : STEPS_UNKNOWN;
}
