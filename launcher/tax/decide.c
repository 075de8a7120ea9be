/* SPDX-License-Identifier: MIT */
/* decide.c - see decide.h. */
#include "launcher/tax/decide.h"

#include <math.h>

static enum answer above(double v, double limit)
{
    return isnan(v) ? ANSWER_UNKNOWN : v > limit ? ANSWER_YES : ANSWER_NO;
}

static double what_matters(const struct decide_input *in)
{
    if (!isnan(in->price_ratio))
        return in->price_ratio - 1;
    if (!(in->gpu_share >
          DECIDE_MATTERS)) /* not given; or the GPUs are next to nothing */
        return isnan(in->gpu_share) ? DECIDE_MATTERS : INFINITY;
    return DECIDE_MATTERS / in->gpu_share;
}

static enum verdict_kind verdict_of(const struct tax *t, double matters)
{
    double low = t->range.low, high = t->range.high;
    if (!t->between || isnan(low) || isnan(high))
        return VERDICT_UNKNOWN;
    if (high < 0)
        return VERDICT_FASTER;
    if (low <= 0)
        return high < matters ? VERDICT_NONE : VERDICT_UNSURE;
    return high < matters  ? VERDICT_SMALL
           : low > matters ? VERDICT_MATTERS
                           : VERDICT_MAYBE;
}

void decide(const struct decide_input *in, struct decision *ret)
{
    ret->matters = what_matters(in);
    ret->verdict = verdict_of(in->tax, ret->matters);
    ret->is_long = above(in->hours, DECIDE_LONG_H);
    ret->is_tight = above(in->waiting, DECIDE_WAITING);
    /* B may be the faster one and still not worth a price that is higher by more. */
    ret->b_is_fine =
        ret->verdict != VERDICT_UNKNOWN && in->tax->range.high < ret->matters;
}

const char *verdict_kind_name(enum verdict_kind v)
{
    static const char *const names[VERDICTS] = {
        [VERDICT_UNKNOWN] = "unknown", [VERDICT_NONE] = "none",
        [VERDICT_UNSURE] = "unsure",   [VERDICT_SMALL] = "small",
        [VERDICT_MAYBE] = "maybe",     [VERDICT_MATTERS] = "matters",
        [VERDICT_FASTER] = "faster",
    };
    return names[v];
}
