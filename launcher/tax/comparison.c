/* SPDX-License-Identifier: MIT */
/* comparison.c - from the reports of runs to the numbers of two sides; see comparison.h. */
#include "launcher/tax/comparison.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void compare_run_fini(struct compare_run *r)
{
    view_fini(&r->view);
    free(r->path);
    free(r->command);
    *r = (struct compare_run){0};
}

/* Loss is in the step time of the slowest, and cannot be more of it. */
static double lost(double us, double scale, double most)
{
    return us > 0 ? fmin(us * scale, most) : 0;
}

static int read_run(const struct compare_run *run, struct tax_run *ret, struct err *e)
{
    const struct report_view *v = &run->view;
    const struct view_variance *w = &v->variance;
    double sum = (double)v->job.t_sum;
    if (!v->has_steps || v->job.closed == 0 || v->job.t_sum == 0) {
        err_set(e, ERR_PARSE, "compare \"%s\": it has no steps to compare", run->path);
        return err_hint(e, "the program marks its steps with libaolani, see aolani.h");
    }
    *ret = (struct tax_run){.steps = v->job.closed,
                            .mean_us = sum / (double)v->job.closed,
                            .median_us = (double)v->job.p50,
                            .series = v->series,
                            .split = w->known && w->steps > 0};
    if (!ret->split)
        return 0;
    double scale = (double)v->job.closed / (double)w->steps;
    for (int m = 0; m < MECH_N; m++)
        ret->lost_us[m] =
            lost(w->loss_us[m], scale, sum) + lost(w->common_us[m], scale, sum);
    ret->small_us = lost(w->small_us, scale, sum);
    return 0;
}

/* ---- a side */

static void sum_waiting(struct compare_side *s)
{
    double wait = 0, wall = 0;
    for (size_t i = 0; i < s->n; i++) {
        const struct report_view *v = &s->runs[i].view;
        for (size_t k = 0; k < v->n_ranks; k++) {
            if (v->ranks[k].steps.wait_sum == STEPS_UNKNOWN)
                continue;
            wait += (double)v->ranks[k].steps.wait_sum;
            wall += (double)v->ranks[k].steps.wall_sum;
        }
    }
    s->waiting = wall > 0 && wait <= wall ? wait / wall : NAN;
}

static void sum_taken(struct compare_side *s)
{
    double taken = 0, time = 0;
    for (size_t i = 0; i < s->n; i++) {
        const struct view_variance *w = &s->runs[i].view.variance;
        if (!w->known || !(w->t_us > 0) || !(w->outside_us >= 0)) {
            s->taken = NAN;
            return;
        }
        taken += w->outside_us;
        time += w->t_us;
    }
    s->taken = taken <= time ? taken / time : NAN;
}

static void sum_side(struct compare_side *s, const struct tax_run *runs)
{
    const struct cost *first = &s->runs[0].view.cost;
    s->least_steps = UINT64_MAX;
    s->devices = first->devices;
    s->ranks = first->ranks;
    s->device_hour = first->device_hour > 0 ? first->device_hour : NAN;
    for (size_t i = 0; i < s->n; i++) {
        uint64_t steps = runs[i].steps;
        s->least_steps = steps < s->least_steps ? steps : s->least_steps;
        s->most_steps = steps > s->most_steps ? steps : s->most_steps;
        s->hours += (double)s->runs[i].view.job.t_sum / 3600e6 / (double)s->n;
    }
    sum_waiting(s);
    sum_taken(s);
}

static void sum_unmeasured(struct comparison *c)
{
    for (int k = 0; k < 2; k++)
        for (size_t i = 0; i < c->side[k].n; i++)
            c->not_measured |= c->side[k].runs[i].view.variance.not_measured;
}

/* One price for both, as of one job file, says nothing about where a job should run. */
static void take_prices(struct comparison *c, const struct compare_ask *ask)
{
    c->days = ask->days;
    c->gpu_share = ask->gpu_share;
    c->price_ratio = ask->price_ratio;
    c->currency = c->side[1].runs[0].view.cost.currency;
    for (int k = 0; k < 2; k++)
        if (!isnan(ask->price[k]))
            c->side[k].device_hour = ask->price[k];
    if (isnan(c->price_ratio) && c->side[1].device_hour > 0 &&
        c->side[0].device_hour != c->side[1].device_hour)
        c->price_ratio = c->side[0].device_hour / c->side[1].device_hour;
}

static int read_side(struct compare_side *s, struct tax_run **ret, struct err *e)
{
    int rc = 0;
    struct tax_run *runs = calloc(s->n + 1, sizeof *runs);
    if (!runs)
        return err_sys(e, -ENOMEM, "compare runs");
    *ret = runs;
    for (size_t i = 0; i < s->n && rc == 0; i++)
        rc = read_run(&s->runs[i], &runs[i], e);
    if (rc == 0 && s->n > 0)
        sum_side(s, runs);
    return rc;
}

static void judge(struct comparison *c, const struct compare_ask *ask)
{
    take_prices(c, ask);
    sum_unmeasured(c);
    struct decide_input in = {.tax = &c->tax,
                              .hours = isnan(c->days) ? c->side[0].hours : c->days * 24,
                              .waiting = c->side[1].waiting,
                              .gpu_share = c->gpu_share,
                              .price_ratio = c->price_ratio};
    decide(&in, &c->decision);
    comparison_check(c);
}

int comparison_make(struct compare_run *a, size_t n_a, struct compare_run *b,
                    size_t n_b, const struct compare_ask *ask, struct comparison *ret,
                    struct err *e)
{
    struct tax_run *fast = NULL, *slow = NULL;
    struct compare_side *sides = ret->side;
    *ret = (struct comparison){0};
    sides[0] = (struct compare_side){.label = ask->label[0], .runs = a, .n = n_a};
    sides[1] = (struct compare_side){.label = ask->label[1], .runs = b, .n = n_b};
    int rc = read_side(&sides[0], &fast, e);
    rc = rc ? rc : read_side(&sides[1], &slow, e);
    struct tax_arm arm_a = {fast, n_a}, arm_b = {slow, n_b};
    rc = rc ? rc : tax_compare(&arm_a, &arm_b, ask->paired, &ret->tax, e);
    if (rc == 0)
        judge(ret, ask);
    free(fast);
    free(slow);
    return rc;
}
