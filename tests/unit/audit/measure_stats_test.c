/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdint.h>
#include <string.h>

#include "agent/audit/measure_stats.h"

#define MS 1000000u

static void test_percentiles(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t n;
        uint64_t values[10];
        unsigned percent;
        uint64_t want;
    } table[] = {
        {"of none", 0, {0}, 50, 0},
        {"of one, the least", 1, {7}, 0, 7},
        {"of one, the most", 1, {7}, 100, 7},
        {"the least", 4, {9, 3, 8, 5}, 0, 3},
        {"the middle of an even number is one of them", 4, {9, 3, 8, 5}, 50, 5},
        {"the middle of an odd number", 5, {9, 3, 8, 5, 1}, 50, 5},
        {"of few, the 99th is the last", 10, {1, 2, 3, 4, 5, 6, 7, 8, 9, 90}, 99, 90},
        {"the 90th of ten", 10, {1, 2, 3, 4, 5, 6, 7, 8, 9, 90}, 90, 9},
        {"the largest number", 3, {UINT64_MAX, 0, 1}, 100, UINT64_MAX},
        {"all the same", 3, {4, 4, 4}, 50, 4},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        uint64_t values[10];
        memcpy(values, table[i].values, sizeof values);
        uint64_t got = measure_stats_percentile(values, table[i].n, table[i].percent);
        if (got != table[i].want)
            fail_msg("%s: %llu", table[i].name, (unsigned long long)got);
    }
}

/* Counts of 3 GHz: a microsecond has 3000. */
static void test_gaps(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t usual;
        double counts_per_us;
        uint64_t steps[5]; /* up to a 0 */
        uint64_t n, lost, longest;
    } table[] = {
        {"none", 30, 3000, {30, 31, 30}, 0, 0, 0},
        {"the other hardware thread doubles a step", 30, 3000, {60, 70, 65}, 0, 0, 0},
        {"a microsecond to the count is none", 30, 3000, {3000}, 0, 0, 0},
        {"more is one, less its usual step", 30, 3000, {30, 3001, 30}, 1, 2971, 3001},
        {"each counts", 30, 3000, {9030, 30, 6030, 30, 3030}, 3, 18000, 9030},
        {"a reading that traps is the usual step", 6000, 3000, {6000, 9000}, 0, 0, 0},
        {"and is interrupted", 6000, 3000, {6000, 90000}, 1, 84000, 90000},
        {"a slow counter: 24 MHz", 1, 24, {1, 2, 24, 25, 2400}, 2, 2423, 2400},
        {"a very slow one moves by one", 0, 0.5, {1, 0}, 0, 0, 0},
        {"and skips", 0, 0.5, {1, 1, 7}, 1, 7, 7},
        {"one that is set back loses nothing",
         30,
         3000,
         {30, 9030, UINT64_MAX - 5, 1ull << 63},
         1,
         9000,
         9030},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct measure_gaps g;
        measure_gaps_init(&g, table[i].usual, table[i].counts_per_us);
        for (size_t k = 0; k < 5 && table[i].steps[k]; k++)
            if (measure_gaps_step(&g, table[i].steps[k]) !=
                (table[i].steps[k] >> 63 == 0))
                fail_msg("%s: step %zu", table[i].name, k);
        if (g.n != table[i].n || g.lost != table[i].lost ||
            g.longest != table[i].longest)
            fail_msg("%s: %llu gaps, %llu lost, longest %llu", table[i].name,
                     (unsigned long long)g.n, (unsigned long long)g.lost,
                     (unsigned long long)g.longest);
    }
}

/* Milliseconds of a window of a second; ticks of 10 ms. */
static void test_attribution(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        unsigned lost, cpu;
        int waited;
        unsigned steal;
        bool told;
        int stolen, preempted;
    } table[] = {
        {"nothing", 0, 1000, 0, 0, true, 0, 0},
        {"interrupts alone", 12, 1000, 0, 0, true, 0, 0},
        {"by other processes", 400, 600, 395, 0, true, 0, 395},
        {"waiting that is in no gap", 100, 880, 120, 0, true, 0, 100},
        {"the hypervisor's", 60, 945, 0, 60, true, 55, 0},
        {"a tick more than was counted, at most", 90, 910, 0, 60, true, 70, 0},
        {"missing, but no tick: interrupts, perhaps", 8, 992, 0, 0, true, 0, 0},
        {"a kernel that leaves it in a thread's time", 60, 1000, 0, 60, true, 60, 0},
        {"stolen while others ran", 500, 495, 500, 20, true, 0, 500},
        {"half of the time others ran", 530, 500, 480, 40, true, 20, 480},
        {"such a kernel, half of the time", 530, 520, 480, 40, true, 20, 480},
        {"never more than was lost", 10, 950, 0, 60, true, 10, 0},
        {"a hypervisor that does not tell", 60, 1000, 0, 0, false, -1, 0},
        {"a kernel that does not tell of waiting", 60, 940, -1, 0, true, 0, -1},
        {"neither", 60, 940, -1, 0, false, -1, -1},
        {"clocks that disagree", 5, 1001, 3, 10, true, 2, 3},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct measure_lost l = {
            .lost_ns = (uint64_t)table[i].lost * MS,
            .wall_ns = 1000ull * MS,
            .cpu_ns = (uint64_t)table[i].cpu * MS,
            .waited_ns = table[i].waited < 0 ? -1 : (int64_t)table[i].waited * MS,
            .steal_ns = (uint64_t)table[i].steal * MS,
            .tick_ns = 10u * MS,
            .steal_is_told = table[i].told,
        };
        int64_t stolen, preempted;
        measure_stats_attribute(&l, &stolen, &preempted);
        int64_t s = stolen < 0 ? -1 : stolen / MS,
                p = preempted < 0 ? -1 : preempted / MS;
        if (s != table[i].stolen || p != table[i].preempted)
            fail_msg("%s: stolen %lld, preempted %lld", table[i].name, (long long)s,
                     (long long)p);
    }
}

static void test_no_window(void **state)
{
    (void)state;
    struct measure_lost l = {
        .steal_ns = 10u * MS, .tick_ns = MS, .steal_is_told = true};
    int64_t stolen, preempted;
    measure_stats_attribute(&l, &stolen, &preempted);
    assert_int_equal(stolen, 0);
    assert_int_equal(preempted, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_percentiles),
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_attribution),
        cmocka_unit_test(test_no_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
