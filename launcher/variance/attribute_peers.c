/* SPDX-License-Identifier: MIT */
/* attribute_peers.c - what the parts of a step usually are, of a rank and of its peers.
 *
 * A rank that is slow all the time has what makes it slow in its own usual values; so the
 * median rank's usual values are the measure where they are less. Likewise a rank whose
 * times spread more than those of the others is not excused by that: what it does to them
 * is what is looked for. Its own sigma counts up to NOISIER times that of the median rank. */
#include <math.h>

#include "launcher/variance/attribute_impl.h"

#define NOISIER     2.0
#define SIGMA_LEAST 0.5 /* us: times are rounded to one */
#define SLEEPS      0.1 /* of a step: who sleeps less spins while it waits */
#define NOT_KNOWN   (-1.0)
#define OFTEN       64u /* steps between two looks at all ranks; at first after each */

void attribute_learn(struct attributed *k, const struct steprec *r)
{
    if (!steprec_knows_host(r))
        return;
    usual_add(&k->part[PART_CPU], r->cpu_us);
    usual_add(&k->part[PART_RUNDELAY], r->rundelay_us);
    usual_add(&k->part[PART_THROTTLED], r->throttled_us);
    usual_add(&k->part[PART_BLOCKED], r->blocked_us);
    usual_add(&k->part[PART_STOLEN], r->stolen_us);
    usual_add(&k->part[PART_FAULTS], r->minflt16 * 16.0);
    usual_add(&k->part[PART_MAJFLT], r->majflt);
    usual_add(&k->part[PART_NVCSW], r->nvcsw);
}

/* Hoare's selection: the k-th smallest of v, which is reordered. */
static double select_kth(double *v, size_t n, size_t k)
{
    size_t lo = 0, hi = n - 1;
    while (lo < hi) {
        double pivot = v[lo + (hi - lo) / 2];
        size_t i = lo, j = hi;
        for (;;) {
            while (v[i] < pivot)
                i++;
            while (v[j] > pivot)
                j--;
            if (i >= j)
                break;
            double t = v[i];
            v[i++] = v[j];
            v[j--] = t;
        }
        /* v[lo..j] <= pivot <= v[j+1..hi], where j did not pass an element equal to it */
        size_t end = v[j] > pivot && j > lo ? j - 1 : j;
        if (k <= end)
            hi = end;
        else
            lo = end + 1;
    }
    return v[k];
}

static double median_of(double *v, size_t n)
{
    return n > 0 ? select_kth(v, n, (n - 1) / 2) : 0;
}

void attribute_peers(struct attribute *a)
{
    if (a->steps < a->peers_due)
        return;
    a->peers_due = a->steps + (a->steps < OFTEN ? 1 + a->steps / 4 : OFTEN);
    for (int p = 0; p < PART_N; p++) {
        size_t n = 0;
        for (uint32_t i = 0; i < a->world_size; i++)
            if (a->ranks[i].part[p].n > 0)
                a->scratch[n++] = a->ranks[i].part[p].median;
        a->peer_part[p] = n > 0 ? median_of(a->scratch, n) : NOT_KNOWN;
    }
    size_t n = 0;
    for (uint32_t i = 0; i < a->world_size; i++)
        if (a->ranks[i].busy.n > 0)
            a->scratch[n++] = a->ranks[i].busy.mad * MAD_TO_SIGMA;
    a->peer_sigma = median_of(a->scratch, n);
}

static double lesser(const struct attribute *a, const struct attributed *k, enum part p)
{
    double peers = a->peer_part[p];
    if (peers == NOT_KNOWN)
        return k->part[p].n ? k->part[p].median : 0;
    return k->part[p].n ? fmin(k->part[p].median, peers) : peers;
}

void attribute_usual(const struct attribute *a, const struct attributed *k,
                     struct excess_usual *ret)
{
    *ret = (struct excess_usual){
        .busy = k->busy.median,
        .cpu = lesser(a, k, PART_CPU),
        .rundelay = lesser(a, k, PART_RUNDELAY),
        .throttled = lesser(a, k, PART_THROTTLED),
        .blocked = lesser(a, k, PART_BLOCKED),
        .stolen = lesser(a, k, PART_STOLEN),
        .faults = lesser(a, k, PART_FAULTS),
        .majflt = lesser(a, k, PART_MAJFLT),
        .nvcsw = lesser(a, k, PART_NVCSW),
    };
}

void attribute_forget_host(struct steprec *r)
{
    r->cpu_us = r->rundelay_us = r->throttled_us = r->blocked_us = r->stolen_us = 0;
    r->nvcsw = r->nivcsw = r->majflt = r->minflt16 = 0;
    r->flags &= (uint16_t)~STEPREC_SAMPLED;
}

static double mean_of_others(uint64_t sum, double own, uint32_t n)
{
    return fmax(((double)sum - own) / (n - 1), 0);
}

void attribute_doubt(struct steprec *r, const struct excess_usual *others,
                     double excess_us)
{
    bool slept = others->blocked >= excess_us;
    bool spun = others->blocked <= SLEEPS * r->wall_us;
    if (steprec_is_marked(r) || r->source == STEPREC_LOG)
        return;
    if (spun || !slept)
        r->cpu_us = 0;
    if (slept || !spun)
        r->blocked_us = 0;
}

bool attribute_others(const struct steps_closed *c, const struct steprec *r,
                      struct excess_usual *ret)
{
    const struct steps_sums *s = &c->sums;
    uint32_t n = s->n_host + !steprec_knows_host(r);
    if (n < 2)
        return false;
    ret->cpu = mean_of_others(s->cpu, r->cpu_us, n);
    ret->rundelay = mean_of_others(s->rundelay, r->rundelay_us, n);
    ret->throttled = mean_of_others(s->throttled, r->throttled_us, n);
    ret->blocked = mean_of_others(s->blocked, r->blocked_us, n);
    ret->stolen = mean_of_others(s->stolen, r->stolen_us, n);
    ret->faults = mean_of_others(s->faults, r->minflt16 * 16.0 + r->majflt, n);
    return true;
}

double attribute_sigma(const struct attribute *a, const struct attributed *k)
{
    double own = k->busy.mad * MAD_TO_SIGMA, most = NOISIER * a->peer_sigma;
    if (a->world_size > 1 && (own > most || k->busy.n < USUAL_ENOUGH))
        own = most;
    /* The median that it is compared with is of few ranks as uncertain as any of them. */
    if (a->world_size > 1)
        own *= sqrt(1 + 1.0 / (a->world_size - 1));
    return fmax(own, SIGMA_LEAST);
}
