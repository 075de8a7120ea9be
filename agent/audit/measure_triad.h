/* SPDX-License-Identifier: MIT */
/* measure_triad - a = b + s * c over arrays of double. */
#ifndef AGENT_AUDIT_MEASURE_TRIAD_H
#define AGENT_AUDIT_MEASURE_TRIAD_H

#include <stddef.h>

#define MEASURE_TRIAD_ALIGN 64u

/* Aligned, and bytes a multiple of MEASURE_TRIAD_ALIGN. Moves three times that much. */
void measure_triad(double *a, const double *b, const double *c, size_t bytes);

#endif
