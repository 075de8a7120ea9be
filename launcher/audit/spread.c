/* SPDX-License-Identifier: MIT */
/* spread.c - see spread.h. */
#include "launcher/audit/spread.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define LEAST     1e-9
#define MAD_SIGMA 1.4826 /* MADs in a standard deviation of normal values */
#define FARTHER   3.0 /* than the farthest of the others: a MAD of few may be small */
#define MANY      16u /* from which on the farthest may be an odd one, too */

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

double spread_quantile(double *x, size_t n, size_t k, size_t of)
{
    if (n == 0)
        return 0;
    qsort(x, n, sizeof *x, by_value);
    return x[(n - 1) * k / of];
}

double spread_median(double *x, size_t n)
{
    return spread_quantile(x, n, 1, 2);
}

/* Few values say little of their spread: the fewer, the larger the least factor. */
static double least_factor(double factor, size_t n)
{
    double more = n < 3 ? 2 : n < 8 ? 1.5 : n < 16 ? 1.4 : 1;
    return 1 + (factor - 1) * more;
}

int spread_make(const double *x, size_t n, double factor, struct spread *ret)
{
    double *logs = malloc((n ? n : 1) * sizeof *logs);
    *ret = (struct spread){0, 1};
    if (!logs)
        return -ENOMEM;
    if (n == 0) {
        free(logs);
        return 0;
    }
    for (size_t i = 0; i < n; i++)
        logs[i] = log(x[i] > LEAST ? x[i] : LEAST);
    double median = spread_median(logs, n), least = log(least_factor(factor, n));
    size_t alike = 0;
    for (size_t i = 0; i < n; i++)
        if (logs[i] - median <= least)
            logs[alike++] = fabs(logs[i] - median);
    double limit = SPREAD_MADS * MAD_SIGMA * spread_median(logs, alike);
    double far = alike < MANY ? logs[alike - 1] : spread_quantile(logs, alike, 9, 10);
    limit = limit > FARTHER * far ? limit : FARTHER * far;
    free(logs);
    *ret = (struct spread){exp(median), exp(limit > least ? limit : least)};
    return 0;
}
