/* SPDX-License-Identifier: MIT */
/* steps_rank.c - what is counted of each rank by itself. */
#include "launcher/variance/steps_impl.h"

#define SMALL_WORLD    256u /* ranks with histograms as fine as the job's */
#define RANK_PRECISION 5    /* 1.56 %, 10 KiB a rank */
#define STANDS_FOR     64u  /* steps like it that one compared step may speak for */

/* Histograms come with the first record: most of a large job's memory, and a job that
 * marks no steps needs none of it. */
bool steps_rank_is_ready(struct steps *s, struct rank *k)
{
    unsigned p = s->world_size <= SMALL_WORLD ? JOB_PRECISION : RANK_PRECISION;
    if (k->known)
        return true;
    if (hist_init(&k->wall, p) < 0 || hist_init(&k->busy, p) < 0 ||
        hist_init(&k->wait, p) < 0) {
        hist_fini(&k->wall);
        hist_fini(&k->busy);
        hist_fini(&k->wait);
        return false;
    }
    k->known = true;
    s->n_known++;
    return true;
}

uint64_t steps_as_much(uint64_t of, uint32_t part, uint32_t whole)
{
    uint64_t most = (uint64_t)whole * STANDS_FOR;
    double share = whole > 0 ? (double)part / whole : 0;
    return (uint64_t)((double)(of < most ? of : most) * share);
}

static void rank_count_wait(struct rank *k, const struct steprec *r)
{
    uint32_t busy = steprec_busy_us(r);
    uint64_t waited = steps_as_much(k->paced_sum, r->wait_us, r->wall_us);
    waited = waited < k->paced_sum ? waited : k->paced_sum;
    hist_add(&k->busy, busy);
    hist_add(&k->wait, r->wait_us);
    k->busy_sum += busy + (k->paced_sum - waited);
    k->wait_sum += r->wait_us + waited;
    k->paced_sum = 0;
}

void steps_rank_count(struct rank *k, const struct steprec *r)
{
    hist_add(&k->wall, r->wall_us);
    k->n++;
    if (r->flags & STEPREC_HOST_PACED)
        k->paced_sum += r->wall_us;
    else
        rank_count_wait(k, r);
    k->cpu_sum += r->cpu_us;
    k->rundelay_sum += r->rundelay_us;
    k->throttled_sum += r->throttled_us;
    k->blocked_sum += r->blocked_us;
    k->stolen_sum += r->stolen_us;
    double d = r->wall_us - k->mean;
    k->mean += d / (double)k->n;
    k->m2 += d * (r->wall_us - k->mean);
}
