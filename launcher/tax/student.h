/* SPDX-License-Identifier: MIT */
/* student - quantiles of Student's t, for any degrees of freedom (Welch's are no whole
 * number). Pure. */
#ifndef LAUNCHER_TAX_STUDENT_H
#define LAUNCHER_TAX_STUDENT_H

/* The t that |T| stays below with this probability (0.95: 12.7 at df 1, 1.96 at infinity).
 * df >= 0.5; INFINITY is good. */
double student_within(double probability, double df);

#endif
