/* SPDX-License-Identifier: MIT */
/* report_units - times, shares and amounts as the page writes them. A part of report. */
#ifndef LAUNCHER_REPORT_UNITS_H
#define LAUNCHER_REPORT_UNITS_H

#include <stdint.h>

#include "launcher/report_table.h"
#include "launcher/variance/cost.h"

#define UNITS_TEXT 48

/* One unit for a whole table, so that columns can be compared by eye. */
struct unit {
    const char *name;
    double us;
    int decimals;
};

struct unit unit_for(double us);
void cell_us(struct table *t, const struct unit *u, double us);
/* "6.13 ms", in the unit that suits the value itself. */
const char *format_us(double us, char out[UNITS_TEXT]);
/* The same, with minutes, hours and days. */
const char *format_time(double us, char out[UNITS_TEXT]);
/* Hours or money: "1240", "13.07", "0.0042", "0"; two digits that matter below 0.1. */
const char *format_amount(double x, char out[UNITS_TEXT]);
/* Decimals of a column of amounts that come to `all`. */
int amount_decimals(double all);
double unit_per(double sum, double n);          /* 0 of none */
double unit_percent(double part, double whole); /* 0 of none */
/* "GPU hours", "rank hours": a job without GPUs is counted by its ranks. */
const char *unit_devices(const struct cost *c); /* "GPUs", "rank" */
const char *unit_hours(const struct cost *c);
/* ": 0.0014 GPU hours, 0.004 USD"; "" where no device is known. */
const char *format_cost(const struct cost *c, double us, char *out, size_t len);

#endif
