/* SPDX-License-Identifier: MIT */
/* report_units.c - see report_units.h. Values may come from a file that anyone has written:
 * they are finite and not negative, and may be absurd. */
#include "launcher/report_units.h"

#include <math.h>
#include <stdio.h>

#include "proto/base/clock.h"

struct unit unit_for(double us)
{
    struct unit u = {"us", 1, 0};
    if (us >= 1e6)
        u = (struct unit){"s", 1e6, 2};
    else if (us >= 1e3)
        u = (struct unit){"ms", 1e3, 2};
    if (u.us > 1 && us / u.us >= 10)
        u.decimals = 1;
    return u;
}

void cell_us(struct table *t, const struct unit *u, double us)
{
    table_cell(t, "%.*f", u->decimals, us / u->us);
}

const char *format_us(double us, char out[UNITS_TEXT])
{
    struct unit u = unit_for(us);
    snprintf(out, UNITS_TEXT, "%.*f %s", u.decimals, us / u.us, u.name);
    return out;
}

const char *format_time(double us, char out[UNITS_TEXT])
{
    if (us < 10e3 && us > 0)
        return format_us(us, out);
    return clock_format_duration(us < 1e18 ? (uint64_t)(us / 1e3) : UINT64_MAX, out,
                                 UNITS_TEXT);
}

const char *format_amount(double x, char out[UNITS_TEXT])
{
    int decimals = x >= 100 ? 0 : 2;
    if (x < 1e-6 || !isfinite(x)) {
        snprintf(out, UNITS_TEXT, "0");
        return out;
    }
    if (x < 0.0995)
        decimals = 1 - (int)floor(log10(x));
    snprintf(out, UNITS_TEXT, "%.*f", decimals, x);
    return out;
}

int amount_decimals(double all)
{
    int decimals = all > 0 ? 2 - (int)floor(log10(all)) : 2;
    return decimals < 2 ? 2 : decimals > 6 ? 6 : decimals;
}

double unit_per(double sum, double n)
{
    return n > 0 ? sum / n : 0;
}

double unit_percent(double part, double whole)
{
    double percent = 100 * unit_per(part, whole);
    return percent < 1e6 ? percent : 1e6;
}

const char *unit_devices(const struct cost *c)
{
    if (c->ranks)
        return c->devices == 1 ? "rank" : "ranks";
    return c->devices == 1 ? "GPU" : "GPUs";
}

const char *unit_hours(const struct cost *c)
{
    return c->ranks ? "rank hours" : "GPU hours";
}

const char *format_cost(const struct cost *c, double us, char *out, size_t len)
{
    char hours[UNITS_TEXT], money[UNITS_TEXT];
    int n = 0;
    out[0] = '\0';
    if (c->devices == 0)
        return out;
    n = snprintf(out, len, ": %s %s", format_amount(cost_hours(c, us), hours),
                 unit_hours(c));
    if (c->device_hour > 0 && n > 0 && (size_t)n < len)
        snprintf(out + n, len - (size_t)n, ", %s %s",
                 format_amount(cost_money(c, us), money), c->currency);
    return out;
}
