/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdint.h>
#include <stdlib.h>

#include "agent/audit/measure_triad.h"

#define STEP  (MEASURE_TRIAD_ALIGN / sizeof(double))
#define MOST  (64u * STEP)
#define GUARD 7.0

/* Each number of the length, and none behind it. */
static void test_lengths(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, STEP, 2 * STEP, 5 * STEP, MOST - STEP};
    double *a = aligned_alloc(MEASURE_TRIAD_ALIGN, MOST * sizeof *a);
    double *b = aligned_alloc(MEASURE_TRIAD_ALIGN, MOST * sizeof *b);
    double *c = aligned_alloc(MEASURE_TRIAD_ALIGN, MOST * sizeof *c);
    assert_true(a && b && c);
    for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
        for (size_t i = 0; i < MOST; i++) {
            a[i] = GUARD;
            b[i] = (double)i;
            c[i] = (double)(i * i);
        }
        measure_triad(a, b, c, lengths[k] * sizeof *a);
        for (size_t i = 0; i < MOST; i++) {
            double want = i < lengths[k] ? b[i] + 3 * c[i] : GUARD;
            if (a[i] != want)
                fail_msg("%zu numbers: number %zu is %g", lengths[k], i, a[i]);
        }
    }
    free(a);
    free(b);
    free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lengths)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
