/* SPDX-License-Identifier: MIT */
/* student.c - see student.h: the distribution through the incomplete beta function (Lentz's
 * continued fraction), inverted by bisection. Slow beside an approximation, and asked for a
 * few times a page. */
#include "launcher/tax/student.h"

#include <math.h>

#define NORMAL_FROM 1e6 /* degrees of freedom that no one tells from infinitely many */

static double at_least(double v)
{
    return fabs(v) < 1e-300 ? 1e-300 : v;
}

/* Continued fraction of the incomplete beta function. */
static double beta_fraction(double a, double b, double x)
{
    double c = 1, d = 1 / at_least(1 - (a + b) * x / (a + 1)), h = d;
    for (int m = 1; m < 300; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        d = 1 / at_least(1 + even * d);
        c = at_least(1 + even / c);
        h *= d * c;
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 / at_least(1 + odd * d);
        c = at_least(1 + odd / c);
        h *= d * c;
        if (fabs(d * c - 1) < 1e-14)
            break;
    }
    return h;
}

static double beta_share(double a, double b, double x)
{
    if (x <= 0 || x >= 1)
        return x <= 0 ? 0 : 1;
    double front =
        exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a
                                     : 1 - front * beta_fraction(b, a, 1 - x) / b;
}

static double within(double t, double df)
{
    return df > NORMAL_FROM ? erf(t / sqrt(2))
                            : 1 - beta_share(df / 2, 0.5, df / (df + t * t));
}

double student_within(double probability, double df)
{
    double low = 0, high = 1;
    while (within(high, df) < probability && high < 1e12)
        high *= 2;
    for (int i = 0; i < 100; i++) {
        double middle = (low + high) / 2;
        if (within(middle, df) < probability)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}
