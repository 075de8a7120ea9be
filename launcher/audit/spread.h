/* SPDX-License-Identifier: MIT */
/* spread - does a value stand out among its likes? By median and MAD of logarithms, with a
 * least factor: of a few alike values the MAD is small by chance, and names somebody. */
#ifndef LAUNCHER_AUDIT_SPREAD_H
#define LAUNCHER_AUDIT_SPREAD_H

#include <stdbool.h>
#include <stddef.h>

#define SPREAD_MADS 6.0 /* times the deviation that the MAD stands for */

/* Sorts x. Of an even number the lower of the two in the middle; 0 of none. */
double spread_median(double *x, size_t n);
/* As the median, but the k-th of `of` equal parts. */
double spread_quantile(double *x, size_t n, size_t k, size_t of);

struct spread {
    double median; /* of the values */
    double limit;  /* of value / median: more than that stands out */
};

/* Values are costs: more is worse; those not above 0 count as 1e-9. Of two the better is the
 * usual one. The fewer they are, the further the limit; what is beyond the least factor has
 * no part in the MAD, since of three or five values one would stretch it. -ENOMEM. */
int spread_make(const double *x, size_t n, double factor, struct spread *ret);

#endif
