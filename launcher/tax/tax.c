/* SPDX-License-Identifier: MIT */
/* tax.c - see tax.h. */
#include "launcher/tax/tax.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "launcher/tax/random.h"
#include "launcher/tax/resample.h"
#include "launcher/tax/student.h"

#define DRAWS   2000u
#define POOL    200u /* resampled means of each run, of which a draw takes one */
#define SEED    20u  /* any: the same runs give the same interval */
#define LEVEL   0.95
#define LARGEST 1e15 /* us, 31 years: sums of such are still finite */

/* ---- spread of a few values */

static double mean_of(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return sum / (double)n;
}

static double variance_of(const double *x, size_t n) /* n > 1 */
{
    double mean = mean_of(x, n), sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (x[i] - mean) * (x[i] - mean);
    return sum / (double)(n - 1);
}

/* Degrees of freedom of a sum of two variances of means. */
static double welch(double va, size_t na, double vb, size_t nb)
{
    double sum = va + vb;
    double parts = va * va / (double)(na - 1) + vb * vb / (double)(nb - 1);
    return parts > 0 ? sum * sum / parts : (double)(na < nb ? na - 1 : nb - 1);
}

/* ---- an arm */

struct arm {
    const struct tax_run *runs;
    size_t n;
    double mean;
    double *x;     /* run means / mean */
    double *pool;  /* POOL resampled means of each, as deviations / mean; NULL: none */
    double within; /* mean variance of these */
    double keep;   /* how much of a run's deviation is drawn */
};

static int check_run(const struct tax_run *r, struct err *e)
{
    if (r->steps == 0 || !(r->mean_us > 0 && r->mean_us < LARGEST) ||
        !(r->median_us >= 0 && r->median_us < LARGEST))
        return err_set(e, ERR_PARSE, "compare runs: one has no steps to compare");
    for (size_t m = 0; r->split && m <= MECH_N; m++) {
        double lost = m < MECH_N ? r->lost_us[m] : r->small_us;
        if (!(lost >= 0 && lost / (double)r->steps < LARGEST))
            return err_set(e, ERR_PARSE, "compare runs: a loss of one is no time");
    }
    for (size_t i = 0; r->series && i < r->series->n; i++)
        if (r->series->n > SERIES_BLOCKS || r->series->blocks[i].steps == 0 ||
            (double)r->series->blocks[i].t_us > LARGEST)
            return err_set(e, ERR_PARSE, "compare runs: the course of one is broken");
    return 0;
}

static int check(const struct tax_arm *a, const struct tax_arm *b, bool paired,
                 struct err *e)
{
    const struct tax_arm *arms[] = {a, b};
    int rc = 0;
    if (a->n == 0 || b->n == 0)
        return err_set(e, ERR_USAGE, "compare runs: one side has none");
    if (a->n > TAX_RUNS || b->n > TAX_RUNS)
        return err_set(e, ERR_LIMIT, "compare runs: more than %u on one side",
                       TAX_RUNS);
    if (paired && a->n != b->n)
        return err_set(e, ERR_USAGE, "compare runs in pairs: %zu against %zu", a->n,
                       b->n);
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < arms[k]->n && rc == 0; i++)
            rc = check_run(&arms[k]->runs[i], e);
    return rc;
}

static void arm_fini(struct arm *a)
{
    free(a->x);
    free(a->pool);
}

/* The pool of each run: what its mean could have been, less what it was. */
static void fill_pool(struct arm *a, struct random *r)
{
    double sum = 0;
    for (size_t i = 0; i < a->n; i++) {
        double *pool = a->pool + i * POOL;
        if (!a->runs[i].series ||
            resample_means(a->runs[i].series, r, pool, POOL) < 0) {
            free(a->pool);
            a->pool = NULL;
            return;
        }
        for (size_t k = 0; k < POOL; k++)
            pool[k] /= a->mean;
        sum += variance_of(pool, POOL);
    }
    a->within = sum / (double)a->n;
}

static int arm_init(struct arm *a, const struct tax_arm *from, struct random *r)
{
    *a = (struct arm){.runs = from->runs, .n = from->n};
    a->x = malloc(a->n * sizeof *a->x);
    a->pool = malloc(a->n * POOL * sizeof *a->pool);
    if (!a->x || !a->pool)
        return -ENOMEM;
    for (size_t i = 0; i < a->n; i++)
        a->x[i] = a->runs[i].mean_us;
    a->mean = mean_of(a->x, a->n);
    for (size_t i = 0; i < a->n; i++)
        a->x[i] /= a->mean;
    fill_pool(a, r);
    return 0;
}

/* ---- drawing */

/* Variance of single runs as drawn: the sample variance `spread` of n of them, of which the
 * blocks add `within` anew. */
static double kept(double spread, double within, size_t n)
{
    double left = spread - within, drawn = spread * (double)(n - 1) / (double)n;
    return left > 0 && drawn > 0 ? sqrt(left / drawn) : 0;
}

static double deviation(const struct arm *a, size_t run, struct random *r)
{
    double d = a->keep * (a->x[run] - 1);
    return a->pool ? d + a->pool[run * POOL + random_below(r, POOL)] : d;
}

/* The mean of as many runs as the arm has, as it might have been. */
static double draw(const struct arm *a, struct random *r)
{
    double sum = 0;
    for (size_t i = 0; i < a->n; i++)
        sum += deviation(a, random_below(r, (uint32_t)a->n), r);
    return 1 + sum / (double)a->n;
}

static void draw_pairs(const struct arm *a, const struct arm *b, struct random *r,
                       double *ret_a, double *ret_b)
{
    double sum_a = 0, sum_b = 0;
    for (size_t i = 0; i < a->n; i++) {
        size_t pair = random_below(r, (uint32_t)a->n);
        sum_a += deviation(a, pair, r);
        sum_b += deviation(b, pair, r);
    }
    *ret_a = 1 + sum_a / (double)a->n;
    *ret_b = 1 + sum_b / (double)b->n;
}

static double safe_log(double v)
{
    return log(v > 1e-3 ? v : 1e-3);
}

/* Variance of ln(t of an arm); of ln(t(B) / t(A)) with pairs. */
struct spread {
    double a, b, both;
};

static int spread_of_draws(const struct arm *a, const struct arm *b, bool paired,
                           struct random *r, struct spread *ret)
{
    double *at = malloc(3 * DRAWS * sizeof *at);
    if (!at)
        return -ENOMEM;
    double *bt = at + DRAWS, *both = bt + DRAWS;
    for (size_t i = 0; i < DRAWS; i++) {
        double ta, tb;
        if (paired) {
            draw_pairs(a, b, r, &ta, &tb);
        } else {
            ta = draw(a, r);
            tb = draw(b, r);
        }
        at[i] = safe_log(ta);
        bt[i] = safe_log(tb);
        both[i] = bt[i] - at[i];
    }
    *ret = (struct spread){variance_of(at, DRAWS), variance_of(bt, DRAWS),
                           variance_of(both, DRAWS)};
    free(at);
    return 0;
}

static double pair_variance(const struct arm *a, const struct arm *b)
{
    double d[TAX_RUNS];
    for (size_t i = 0; i < a->n; i++)
        d[i] = b->x[i] - a->x[i];
    return variance_of(d, a->n);
}

static int find_range(struct arm *a, struct arm *b, struct random *r, struct tax *ret)
{
    struct spread s;
    double t, centre = log(b->mean / a->mean);
    ret->between = a->n > 1 && b->n > 1;
    ret->within = a->pool && b->pool;
    if (ret->between && ret->paired) {
        double inner = a->within + b->within;
        a->keep = b->keep = kept(pair_variance(a, b), inner, a->n);
    } else if (ret->between) {
        a->keep = kept(variance_of(a->x, a->n), a->within, a->n);
        b->keep = kept(variance_of(b->x, b->n), b->within, b->n);
    } else if (!ret->within) {
        return 0; /* nothing to tell it from */
    }
    int rc = spread_of_draws(a, b, ret->paired, r, &s);
    if (rc)
        return rc;
    if (ret->between)
        ret->df = ret->paired ? (double)(a->n - 1) : welch(s.a, a->n, s.b, b->n);
    t = student_within(LEVEL, ret->between ? ret->df : INFINITY) * sqrt(s.both);
    ret->range.low = expm1(centre - t);
    ret->range.high = expm1(centre + t);
    return 0;
}

/* ---- parts */

static double lost(const struct tax_run *r, size_t m)
{
    double us = m < MECH_N ? r->lost_us[m] : r->small_us;
    return us / (double)r->steps;
}

/* Part m of one run, in units of t(A). MECH_N: small differences; above: what is left. */
static double part_of(const struct tax_run *r, size_t m)
{
    double rest = r->mean_us;
    if (m <= MECH_N)
        return lost(r, m);
    for (size_t i = 0; i <= MECH_N; i++)
        rest -= lost(r, i);
    return rest;
}

/* The interval of a part by Welch alone: of its course within a run nothing is kept. */
static void find_part(const struct arm *a, const struct arm *b, size_t m,
                      const struct tax *t, struct tax_part *ret)
{
    double xa[TAX_RUNS], xb[TAX_RUNS], d[TAX_RUNS], error, df;
    for (size_t i = 0; i < a->n; i++)
        xa[i] = part_of(&a->runs[i], m);
    for (size_t i = 0; i < b->n; i++)
        xb[i] = part_of(&b->runs[i], m);
    ret->a_us = mean_of(xa, a->n);
    ret->b_us = mean_of(xb, b->n);
    ret->tau = (ret->b_us - ret->a_us) / a->mean;
    ret->range = (struct tax_range){NAN, NAN};
    if (!t->between)
        return;
    if (t->paired) {
        for (size_t i = 0; i < a->n; i++)
            d[i] = xb[i] - xa[i];
        error = variance_of(d, a->n) / (double)a->n;
        df = (double)(a->n - 1);
    } else {
        double va = variance_of(xa, a->n) / (double)a->n;
        double vb = variance_of(xb, b->n) / (double)b->n;
        error = va + vb;
        df = welch(va, a->n, vb, b->n);
    }
    error = student_within(LEVEL, df) * sqrt(error) / a->mean;
    ret->range = (struct tax_range){ret->tau - error, ret->tau + error};
}

static void find_parts(const struct arm *a, const struct arm *b, struct tax *t)
{
    t->split = true;
    for (size_t i = 0; i < a->n; i++)
        t->split = t->split && a->runs[i].split;
    for (size_t i = 0; i < b->n; i++)
        t->split = t->split && b->runs[i].split;
    for (size_t m = 0; t->split && m < MECH_N; m++)
        find_part(a, b, m, t, &t->part[m]);
    if (t->split) {
        find_part(a, b, MECH_N, t, &t->small);
        find_part(a, b, MECH_N + 1, t, &t->base);
    }
}

static double usual_of(const struct arm *a)
{
    double sum = 0;
    for (size_t i = 0; i < a->n; i++)
        sum += a->runs[i].median_us;
    return sum / (double)a->n;
}

int tax_compare(const struct tax_arm *a, const struct tax_arm *b, bool paired,
                struct tax *ret, struct err *e)
{
    struct arm fast = {0}, slow = {0};
    struct random r;
    struct tax t = {.paired = paired, .df = NAN, .range = {NAN, NAN}};
    int rc = check(a, b, paired, e);
    if (rc)
        return rc;
    random_init(&r, SEED);
    if ((rc = arm_init(&fast, a, &r)) || (rc = arm_init(&slow, b, &r)) ||
        (rc = find_range(&fast, &slow, &r, &t))) {
        err_sys(e, rc, "compare runs");
        goto done;
    }
    t.a_us = fast.mean;
    t.b_us = slow.mean;
    t.tau = slow.mean / fast.mean - 1;
    t.usual_tau = usual_of(&fast) > 0 ? usual_of(&slow) / usual_of(&fast) - 1 : NAN;
    t.spread_a = a->n > 1 ? sqrt(variance_of(fast.x, a->n)) : NAN;
    t.spread_b = b->n > 1 ? sqrt(variance_of(slow.x, b->n)) : NAN;
    find_parts(&fast, &slow, &t);
    *ret = t;
done:
    arm_fini(&fast);
    arm_fini(&slow);
    return rc;
}
