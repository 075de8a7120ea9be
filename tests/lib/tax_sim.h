/* SPDX-License-Identifier: MIT */
/* tax_sim - runs that never were, for comparing: step times with memory (AR(1) of their
 * logarithm), bursts (Pareto) that last some steps, and a spread between runs. Seeded, so
 * that every run of a test sees the same. */
#ifndef TESTS_LIB_TAX_SIM_H
#define TESTS_LIB_TAX_SIM_H

#include <math.h>
#include <string.h>

#include "launcher/tax/random.h"
#include "launcher/tax/tax.h"

struct sim {
    size_t n_a, n_b;
    unsigned steps;           /* of a run */
    double tau;               /* planted */
    double rho_low, rho_high; /* memory of the steps, drawn per pair */
    double noise;             /* standard deviation of ln(step time) */
    double run_low, run_high; /* standard deviation of runs, drawn per pair and arm */
    double burst;             /* probability that one begins in a step */
    bool paired;              /* half of a run's effect is the pair's */
};

struct sim_pair {
    struct tax_run a[TAX_RUNS], b[TAX_RUNS];
    struct series series[64];
};

static double sim_normal(struct random *r)
{
    return sqrt(-2 * log(random_unit(r))) * cos(6.283185307179586 * random_unit(r));
}

static double sim_between(struct random *r, double low, double high)
{
    return low + (high - low) * random_unit(r);
}

static void sim_run(const struct sim *s, struct random *r, double rho, double level,
                    struct tax_run *ret, struct series *series)
{
    double x = s->noise * sim_normal(r), jump = 0, sum = 0;
    unsigned left = 0;
    series_init(series);
    for (unsigned i = 0; i < s->steps; i++) {
        if (left == 0)
            jump = 0;
        if (s->burst > 0 && random_unit(r) < s->burst) {
            /* Pareto with a finite variance, and no longer than 8 steps' time. */
            jump = fmin(0.2 * pow(random_unit(r), -1 / 2.5), 8);
            left = 1 + random_below(r, 8);
        }
        left -= left > 0;
        double us = 20000 * level * exp(x) * (1 + jump);
        series_add(series, (uint64_t)us);
        sum += (double)(uint64_t)us;
        x = rho * x + s->noise * sqrt(1 - rho * rho) * sim_normal(r);
    }
    *ret = (struct tax_run){.steps = s->steps,
                            .mean_us = sum / s->steps,
                            .median_us = 20000 * level,
                            .series = series};
}

__attribute__((unused)) static void sim_make(const struct sim *s, struct random *r,
                                             struct sim_pair *ret,
                                             struct tax_arm *ret_a,
                                             struct tax_arm *ret_b)
{
    double rho = sim_between(r, s->rho_low, s->rho_high), shared[64];
    double spread_a = sim_between(r, s->run_low, s->run_high);
    double spread_b = sim_between(r, s->run_low, s->run_high);
    for (size_t i = 0; i < s->n_a + s->n_b; i++) {
        bool b = i >= s->n_a;
        double effect = sim_normal(r) * (b ? spread_b : spread_a);
        size_t k = b ? i - s->n_a : i;
        if (s->paired && !b)
            shared[k] = sim_normal(r) * s->run_high;
        effect += s->paired ? shared[k] : 0;
        sim_run(s, r, rho, (1 + effect) * (b ? 1 + s->tau : 1),
                b ? &ret->b[k] : &ret->a[k], &ret->series[i]);
    }
    *ret_a = (struct tax_arm){ret->a, s->n_a};
    *ret_b = (struct tax_arm){ret->b, s->n_b};
}

struct sim_result {
    unsigned pairs, covered, called, failed; /* called: the interval is above 0 */
    double width;                            /* mean half width */
};

__attribute__((unused)) static struct sim_result sim_study(const struct sim *s,
                                                           unsigned pairs,
                                                           uint64_t seed)
{
    static struct sim_pair p;
    struct sim_result ret = {.pairs = pairs};
    struct random r;
    random_init(&r, seed);
    for (unsigned i = 0; i < pairs; i++) {
        struct tax_arm a, b;
        struct tax t;
        struct err e;
        sim_make(s, &r, &p, &a, &b);
        if (tax_compare(&a, &b, s->paired, &t, &e) < 0) {
            ret.failed++;
            continue;
        }
        ret.covered += t.range.low <= s->tau && s->tau <= t.range.high;
        ret.called += t.between && t.range.low > 0;
        ret.width += (t.range.high - t.range.low) / 2 / pairs;
    }
    return ret;
}

#endif
