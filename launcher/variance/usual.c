/* SPDX-License-Identifier: MIT */
/* usual.c - exact while there are few values; then median and spread go a little towards
 * each value, by a part of the spread itself, so that the unit does not matter.
 *
 * The part is 2/n at first, which is about what converges fastest from the median of the
 * first values, and GAIN for ever after: the median then wanders by a tenth of sigma around
 * its place and follows a change that lasts. What matters of a value is the side that it is
 * on, so a wild one weighs no more than any other. After a change the spread grows by GAIN
 * a value, exponentially, hence even a change by very many spreads is followed soon. */
#include "launcher/variance/usual.h"

#include <math.h>
#include <stddef.h>

#define FIRST (sizeof((struct usual *)0)->first / sizeof(double))
#define GAIN  0.02
#define FLOOR \
    1e-3          /* of the median, or of a value while all are 0: there is no spread */
#define TINY 1e-9 /* as good as none, in any unit in use; and no denormal numbers */

void usual_init(struct usual *u)
{
    *u = (struct usual){0};
}

/* v: sorted, n > 0. */
static double middle(const double *v, size_t n)
{
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static void insert(double *sorted, size_t n, double v)
{
    for (; n > 0 && sorted[n - 1] > v; n--)
        sorted[n] = sorted[n - 1];
    sorted[n] = v;
}

static void few(struct usual *u, double v)
{
    double off[FIRST];
    insert(u->first, u->n, v);
    u->n++;
    u->median = middle(u->first, u->n);
    for (size_t i = 0; i < u->n; i++)
        insert(off, i, fabs(u->first[i] - u->median));
    u->mad = middle(off, u->n);
}

static double towards(double from, double to, double by)
{
    if (fabs(to - from) <= by)
        return to;
    return to > from ? from + by : from - by;
}

void usual_add(struct usual *u, double v)
{
    if (!isfinite(v))
        return;
    if (u->n < FIRST) {
        few(u, v);
        return;
    }
    double gain = 2.0 / u->n > GAIN ? 2.0 / u->n : GAIN;
    double scale = fmax(u->mad, FLOOR * fabs(u->median));
    if (scale <= TINY)
        scale = FLOOR * fabs(v);
    double off = fabs(v - u->median);
    u->median = towards(u->median, v, gain * scale);
    u->mad = towards(u->mad, off, gain * (off > u->mad ? scale : u->mad));
    if (u->mad < TINY)
        u->mad = 0;
    u->n += u->n < UINT32_MAX;
}
