/* SPDX-License-Identifier: MIT */
/* attribute_common.c - what made all ranks slower together.
 *
 * The median busy time is measured against its own usual, and its rise is split by the
 * means of the parts over all ranks but the culprits. The shortest wait of any rank is what
 * the collectives took by themselves: nobody was waited for in it. (With several
 * collectives in a step, different ranks may be late for each; that shows here, too.) A
 * change that lasts becomes usual within some hundred steps: only comparing runs tells it. */
#include <math.h>

#include "launcher/variance/attribute_impl.h"

static bool is_risen(const struct usual *u, double v, double noticeable)
{
    double sigma = u->mad * MAD_TO_SIGMA;
    return u->n >= USUAL_ENOUGH &&
           v - u->median >
               fmax(fmax(SIGMAS * sigma, NOTICEABLE * noticeable), RESOLUTION_US);
}

static uint32_t mean(uint64_t sum, uint64_t less, uint32_t n)
{
    return sum > less ? (uint32_t)fmin((double)(sum - less) / n + 0.5, UINT32_MAX) : 0;
}

static uint16_t mean16(uint64_t sum, uint64_t less, uint32_t n)
{
    uint32_t v = mean(sum, less, n);
    return v > UINT16_MAX ? UINT16_MAX : (uint16_t)v;
}

static void sum_parts(struct steps_sums *sums, const struct steprec *r)
{
    if (!steprec_knows_host(r))
        return;
    sums->n_host++;
    sums->cpu += r->cpu_us;
    sums->rundelay += r->rundelay_us;
    sums->throttled += r->throttled_us;
    sums->blocked += r->blocked_us;
    sums->stolen += r->stolen_us;
    sums->faults += r->minflt16 * 16u + r->majflt;
}

/* As if all ranks but the culprits were one. *ret_n: of so many it is known what the host
 * did. */
static struct steprec typical(const struct steps_closed *c, const struct culprits *of,
                              uint32_t *ret_n)
{
    struct steps_sums less = {0};
    bool leave_out = c->n_compared > of->n;
    struct steprec r = c->late[c->n_late - 1];
    for (size_t i = c->n_late; leave_out && i-- > 0;) {
        if (of->is[i])
            sum_parts(&less, &c->late[i]);
        else
            r = c->late[i];
    }
    uint32_t n = c->sums.n_host - less.n_host;
    r.cpu_us = mean(c->sums.cpu, less.cpu, n);
    r.rundelay_us = mean(c->sums.rundelay, less.rundelay, n);
    r.throttled_us = mean(c->sums.throttled, less.throttled, n);
    r.blocked_us = mean(c->sums.blocked, less.blocked, n);
    r.stolen_us = mean(c->sums.stolen, less.stolen, n);
    r.minflt16 = mean16(c->sums.faults / 16, less.faults / 16, n);
    r.majflt = 0;
    *ret_n = n;
    return r;
}

/* In a step that no program has marked a rank that spins until the others come seems to
 * work, and one that sleeps, to be blocked: of all ranks together only what kept them from
 * running is beyond doubt. */
static struct steprec beyond_doubt(const struct attribute *a, const struct steprec *r)
{
    struct steprec sure = *r;
    if (steprec_is_marked(r))
        return sure;
    sure.cpu_us = sure.blocked_us = sure.stolen_us = 0;
    if (a->mean[PART_RUNDELAY].n < USUAL_ENOUGH)
        sure.rundelay_us = sure.throttled_us = 0;
    return sure;
}

static void usual_of_all(const struct attribute *a, struct excess_usual *ret)
{
    *ret = (struct excess_usual){
        .busy = a->median.median,
        .cpu = a->mean[PART_CPU].median,
        .rundelay = a->mean[PART_RUNDELAY].median,
        .throttled = a->mean[PART_THROTTLED].median,
        .blocked = a->mean[PART_BLOCKED].median,
        .stolen = a->mean[PART_STOLEN].median,
        .faults = a->mean[PART_FAULTS].median,
        .majflt = 0,
        .nvcsw = fmax(a->peer_part[PART_NVCSW], 0),
    };
}

static void learn(struct attribute *a, const struct steps_closed *c,
                  const struct steprec *r, bool knows_host)
{
    usual_add(&a->median, c->median);
    usual_add(&a->min_wait, c->min_wait);
    if (!knows_host)
        return;
    usual_add(&a->mean[PART_CPU], r->cpu_us);
    usual_add(&a->mean[PART_RUNDELAY], r->rundelay_us);
    usual_add(&a->mean[PART_THROTTLED], r->throttled_us);
    usual_add(&a->mean[PART_BLOCKED], r->blocked_us);
    usual_add(&a->mean[PART_STOLEN], r->stolen_us);
    usual_add(&a->mean[PART_FAULTS], r->minflt16 * 16.0);
}

void common_step(struct attribute *a, const struct steps_closed *c,
                 const struct culprits *of)
{
    uint32_t n_host;
    struct steprec r = typical(c, of, &n_host);
    double t = a->median.median + a->min_wait.median;
    if (is_risen(&a->median, c->median, a->median.median)) {
        struct charge charge = {
            .kind = CHARGE_COMMON,
            .deadline_ms = c->now_ms + ATTRIBUTE_WAIT_MS,
            .r = beyond_doubt(a, &r),
            .excess_us = c->median - a->median.median,
            .attempt = c->attempt,
        };
        usual_of_all(a, &charge.usual);
        charge_add(a, &charge, c->now_ms);
    }
    if (is_risen(&a->min_wait, c->min_wait, t))
        a->common_us[MECH_NETWORK] += c->min_wait - a->min_wait.median;
    learn(a, c, &r, n_host > 0);
}
