/* SPDX-License-Identifier: MIT */
/* tax - how much slower arm B is than arm A, each some runs of the same job. Pure.
 *
 * tau = t(B) / t(A) - 1. t of an arm is the mean over its runs of the run's mean step time.
 * The mean, not the median: bursts are waited for and paid for too, and a median of step
 * times does not see them. The median's tau stands beside it, as that of the usual step.
 *
 * The interval (95 %) has two sources of chance: a run is not the next run (placement,
 * clocks, neighbours), and within a run steps come in bursts that remember each other. So
 * runs are resampled, and then circular blocks of steps in each (resample.h). The spread of
 * the drawn ln t(B)/t(A) is its standard error, and the interval is that error times the t
 * of Welch's degrees of freedom. As resampling n runs makes their spread too small by
 * (n-1)/n, and the spread of run means has the within-run part in it already, which the
 * blocks would add once more, deviations of runs are scaled before: the variance comes to
 * the sample variance of the run means, and never to less than the blocks alone say.
 *
 * Chosen by simulation (tests/unit/launcher/tax_test.c; make tax-study). Of 5,000 pairs
 * with a planted tax of 20 %, memory of 0.3 to 0.9, Pareto bursts, and runs that differ by
 * 1 to 5 %, the interval covers the truth in
 *
 *   3 runs each   96.6 %      3 against 10   94.3 %      A/A, 3 runs   95.9 %, called 2.0 %
 *   5             95.4 %      4 in pairs     95.5 %      A/A, 5        95.5 %, called 2.1 %
 *   10            94.8 %
 *
 * and percentiles of the same draws, of which three runs have but ten, in 87 % at three.
 * Where runs do not differ at all it is too wide rather than too narrow (98 % at five), as
 * the t knows of few runs; one run on each side, alike but for their steps: 93.6 %.
 *
 * With one run in an arm the spread of runs is not known: `between` is false, the interval
 * is that of the blocks alone, and no one may call it a tax.
 */
#ifndef LAUNCHER_TAX_TAX_H
#define LAUNCHER_TAX_TAX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "launcher/variance/mechanism.h"
#include "launcher/variance/series.h"
#include "proto/base/err.h"

#define TAX_RUNS 256u /* of an arm */

struct tax_run {
    uint64_t steps;              /* in the statistics */
    double mean_us, median_us;   /* step time */
    bool split;                  /* the next two are known */
    double lost_us[MECH_N];      /* in all steps: waiting for the late, and all late */
    double small_us;             /* straggler loss of no culprit */
    const struct series *series; /* borrowed; NULL: not known */
};

struct tax_arm {
    const struct tax_run *runs;
    size_t n;
};

struct tax_range { /* 95 %; NAN: not known */
    double low, high;
};

struct tax_part {      /* parts of tau, which they sum up to */
    double a_us, b_us; /* a step */
    double tau;        /* (b - a) / t(A) */
    struct tax_range range;
};

struct tax {
    double a_us, b_us; /* a step */
    double tau;
    struct tax_range range;
    bool between; /* the spread of runs is in it */
    bool within;  /* that of steps is; false: for some run no series was kept */
    bool paired;
    double df;                 /* of the t; NAN without `between` */
    double usual_tau;          /* of the median step */
    double spread_a, spread_b; /* standard deviation of runs / mean; NAN: one run */
    bool split;                /* the parts are known, for every run */
    struct tax_part part[MECH_N], small, base;
};

/* paired: run i of both arms was made at the same time or one after the other, so that what
 * drifts hits both. ERR_USAGE (an arm without runs, unequal numbers of pairs), ERR_LIMIT,
 * -ENOMEM, ERR_PARSE (a run without steps, or times that are none). */
int tax_compare(const struct tax_arm *a, const struct tax_arm *b, bool paired,
                struct tax *ret, struct err *e);

#endif
