/* SPDX-License-Identifier: MIT */
/* measure_triad.c - see measure_triad.h. */
#include "agent/audit/measure_triad.h"

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#define FACTOR 3.0

#if defined(__x86_64__)

/* What every x86-64 has. Wider stores bring one core a tenth more on some; but then nodes
 * would be compared by different means. */
void measure_triad(double *a, const double *b, const double *c, size_t bytes)
{
    const __m128d s = _mm_set1_pd(FACTOR);
    for (size_t i = 0; i < bytes / sizeof *a; i += 8)
        for (size_t k = 0; k < 8; k += 2)
            _mm_stream_pd(a + i + k, _mm_add_pd(_mm_load_pd(b + i + k),
                                                _mm_mul_pd(s, _mm_load_pd(c + i + k))));
    _mm_sfence();
}

#else

void measure_triad(double *restrict a, const double *restrict b,
                   const double *restrict c, size_t bytes)
{
    for (size_t i = 0; i < bytes / sizeof *a; i++)
        a[i] = b[i] + FACTOR * c[i];
}

#endif
