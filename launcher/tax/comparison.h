/* SPDX-License-Identifier: MIT */
/* comparison - the runs of two sides, what can be said of them, and the page and JSON that
 * say it. Pure: files are read by cmd_compare.c. */
#ifndef LAUNCHER_TAX_COMPARISON_H
#define LAUNCHER_TAX_COMPARISON_H

#include "launcher/report_units.h"
#include "launcher/report_view.h"
#include "launcher/tax/decide.h"
#include "launcher/tax/tax.h"

struct compare_run {
    char *path;    /* as typed */
    char *command; /* of its job file; "": not known */
    struct report_view view;
};

struct compare_ask { /* NAN: not given */
    double days;     /* of the job, on A */
    double price[2]; /* of a device, by the hour */
    double price_ratio;
    double gpu_share; /* 0 to 1 */
    bool paired;
    const char *label[2];
};

struct compare_side {
    const char *label;
    struct compare_run *runs;
    size_t n;
    uint64_t least_steps, most_steps; /* of a run */
    double waiting;     /* share of the step in blocking collectives; NAN */
    double taken;       /* share of the step that others took, at least; NAN */
    double hours;       /* of the steps of a run, on the average */
    double device_hour; /* price; NAN */
    uint32_t devices;   /* 0: not known */
    bool ranks;         /* they are ranks, not GPUs */
};

#define COMPARE_WARNINGS 16u

struct comparison {
    struct compare_side side[2]; /* runs: borrowed */
    const char *currency;        /* "": not known */
    double days, price_ratio;    /* NAN */
    double gpu_share;
    struct tax tax;
    struct decision decision;
    uint32_t not_measured;                /* in some run: bit per mechanism */
    char warnings[COMPARE_WARNINGS][240]; /* why they may not be compared */
    size_t n_warnings;
};

/* The runs outlive ret. ERR_PARSE names the run that has no steps, or none that make
 * sense; else as tax_compare. */
int comparison_make(struct compare_run *a, size_t n_a, struct compare_run *b,
                    size_t n_b, const struct compare_ask *ask, struct comparison *ret,
                    struct err *e);
int comparison_page(const struct comparison *c, struct buf *out);
int comparison_json(const struct comparison *c,
                    struct buf *out);         /* comparison_json.c */
void compare_run_fini(struct compare_run *r); /* takes a zeroed one */

/* comparison_check.c: fills the warnings. */
void comparison_check(struct comparison *c);

/* "+20.1 %", "-1.2 %" and "20.1 %" of 0.201. */
const char *percent_signed(double share, char out[UNITS_TEXT]);
const char *percent_plain(double share, char out[UNITS_TEXT]);
/* comparison_choice.c: what it costs, and what to do. */
void page_price(struct page *p, const struct comparison *c);
void page_choice(struct page *p, const struct comparison *c);

#endif
