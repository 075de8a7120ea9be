/* SPDX-License-Identifier: MIT */
/* decide - what a measured tax means for somebody who has to choose. Pure.
 *
 * What matters: where prices are given, the tax at which A and B cost the same for the same
 * work (price of A / price of B - 1); else DECIDE_MATTERS of the bill, of which the GPUs may
 * be a part only. The verdict compares the interval with 0 and with that, never the number
 * in its middle alone. */
#ifndef LAUNCHER_TAX_DECIDE_H
#define LAUNCHER_TAX_DECIDE_H

#include <stdbool.h>

#include "launcher/tax/tax.h"

#define DECIDE_MATTERS 0.05
#define DECIDE_LONG_H  72.0 /* a job of more hours feels it, by what is said */
#define DECIDE_WAITING 0.1 /* share of the step: more, and one late rank holds up all */
/* What articles say that virtualization takes. A prior: printed as such. */
#define DECIDE_SAID_LOW  0.15
#define DECIDE_SAID_HIGH 0.25

enum verdict_kind {
    VERDICT_UNKNOWN, /* one run in an arm: their spread is not known */
    VERDICT_NONE,    /* the interval has 0 in it, and nothing that matters */
    VERDICT_UNSURE,  /* the interval has 0 in it, and taxes that matter */
    VERDICT_SMALL,   /* a tax, and all of the interval less than what matters */
    VERDICT_MAYBE,   /* a tax; it may matter */
    VERDICT_MATTERS, /* a tax, and all of the interval more than what matters */
    VERDICT_FASTER,  /* B is the faster one */
    VERDICTS,
};

struct decide_input { /* NAN: not given */
    const struct tax *tax;
    double hours;       /* of the job, on A */
    double waiting;     /* share of B's steps inside blocking collectives */
    double gpu_share;   /* of the whole cost, 0 to 1 */
    double price_ratio; /* price of A / price of B, each by the hour */
};

enum answer { ANSWER_UNKNOWN, ANSWER_NO, ANSWER_YES };

struct decision {
    enum verdict_kind verdict;
    double matters;                /* as a tax */
    enum answer is_long, is_tight; /* more than 72 h; waiting for each other */
    bool b_is_fine;                /* a VM, if B is one */
};

void decide(const struct decide_input *in, struct decision *ret);
const char *verdict_kind_name(enum verdict_kind v); /* "none", "matters": in files */

#endif
