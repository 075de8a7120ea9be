/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "agent/describe/gpusignals.h"

#define SECOND 1000000000ull

static void end(Aolani__GpuSample *s)
{
    for (size_t i = 0; i < s->n_signals; i++)
        protobuf_c_message_free_unpacked(&s->signals[i]->base, NULL);
    free(s->signals);
}

/* Counters of time in ms. */
struct counts {
    int power, heat, hard, brake, sync, board; /* -1: not there */
};

static void read_of(const struct counts *c, struct gpusignals_reading *r)
{
    const int ms[] = {c->power, c->heat, c->hard, c->brake, c->sync, c->board};
    gpusignals_reading_init(r);
    for (unsigned i = 0; i < sizeof ms / sizeof *ms; i++)
        if (ms[i] >= 0)
            gpusignals_count(r, (enum gpusignals_counter)i, (uint64_t)ms[i] * 1000000);
}

static void test_times(void **state)
{
    (void)state;
    static const struct {
        struct counts before, after;
        int power, heat, brake, other; /* ms of the second between them; -1: unknown */
    } table[] = {
        {{5, 5, 5, 5, 5, 5}, {5, 5, 5, 5, 5, 5}, 0, 0, 0, 0},
        {{5, 5, 5, 5, 5, 5}, {105, 15, 25, 505, 35, 45}, 100, 30, 500, 70},
        {{5, 5, -1, -1, 5, -1}, {105, 15, -1, -1, 35, -1}, 100, 10, -1, 30},
        {{-1, -1, -1, -1, -1, -1}, {9, 9, 9, 9, 9, 9}, -1, -1, -1, -1},
        {{9, 9, 9, 9, 9, 9}, {-1, -1, -1, -1, -1, -1}, -1, -1, -1, -1},
        /* One of a sum fell: nothing is known of the sum. */
        {{5, 5, 5, 5, 5, 5}, {4, 15, 4, 4, 6, 4}, -1, -1, -1, -1},
        /* The whole second, and no more than that. */
        {{0, 0, 0, 0, 0, 0}, {1000, 900, 900, 1100, 0, 0}, 1000, 1000, 1000, 0},
        {{0, 0, 0, 0, 0, 0}, {3001, 3000, 0, 2999, 0, 0}, -1, 1000, 1000, 0},
    };
    static struct gpusignals g;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        Aolani__GpuSample first = AOLANI__GPU_SAMPLE__INIT, s = first;
        struct gpusignals_reading r;
        g = (struct gpusignals){0};
        gpusignals_begin(&g, 7 * SECOND, &first);
        read_of(&table[i].before, &r);
        assert_int_equal(gpusignals_add(&g, &first, "A", &r), 0);
        assert_int_equal(first.n_signals, 0);
        assert_int_equal(first.interval_ns, 0);
        gpusignals_begin(&g, 8 * SECOND, &s);
        read_of(&table[i].after, &r);
        assert_int_equal(gpusignals_add(&g, &s, "A", &r), 0);
        assert_int_equal(gpusignals_add(&g, &s, "A", &r), 0); /* once is enough */
        assert_int_equal(s.n_signals, 1);
        assert_int_equal(s.interval_ns, SECOND);
        const int want[] = {table[i].power, table[i].heat, table[i].brake,
                            table[i].other};
        const Aolani__GpuSignal *m = s.signals[0];
        const int64_t got[] = {m->power_us, m->heat_us, m->brake_us, m->other_us};
        for (unsigned k = 0; k < 4; k++)
            assert_int_equal(got[k], want[k] < 0 ? -1 : want[k] * 1000);
        end(&first);
        end(&s);
    }
}

/* Of the GPU's own meter, or made of what it takes now. */
static void test_energy(void **state)
{
    (void)state;
    static const struct {
        long long before, after; /* mJ; -1: no meter */
        int milliwatts, want;
    } table[] = {{100, 700, 250000, 600},   {-1, -1, 250000, 250000},
                 {-1, -1, -1, -1},          {100, 40, 250000, 250000},
                 {100, 40, -1, -1},         {-1, 700, 250000, 250000},
                 {0, 1ll << 40, 1000, 1000}};
    static struct gpusignals g;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        Aolani__GpuSample first = AOLANI__GPU_SAMPLE__INIT, s = first;
        struct gpusignals_reading r;
        g = (struct gpusignals){0};
        gpusignals_begin(&g, 7 * SECOND, &first);
        gpusignals_reading_init(&r);
        if (table[i].before >= 0)
            gpusignals_count(&r, GPUSIGNALS_ENERGY, (uint64_t)table[i].before);
        assert_int_equal(gpusignals_add(&g, &first, "A", &r), 0);
        gpusignals_begin(&g, 8 * SECOND, &s);
        gpusignals_reading_init(&r);
        if (table[i].after >= 0)
            gpusignals_count(&r, GPUSIGNALS_ENERGY, (uint64_t)table[i].after);
        r.milliwatts = table[i].milliwatts;
        assert_int_equal(gpusignals_add(&g, &s, "A", &r), 0);
        assert_int_equal(s.signals[0]->energy_mj, table[i].want);
        end(&first);
        end(&s);
    }
}

static void test_more_gpus_than_there_is_room_for(void **state)
{
    (void)state;
    static struct gpusignals g;
    struct gpusignals_reading r;
    char uuid[16];
    gpusignals_reading_init(&r);
    for (uint64_t round = 1; round <= 5; round++) {
        Aolani__GpuSample s = AOLANI__GPU_SAMPLE__INIT;
        gpusignals_begin(&g, round * SECOND, &s);
        for (unsigned i = 0; i < LIMIT_GPUS + 4; i++) {
            /* from the third on others, in the places of those that have gone */
            (void)snprintf(uuid, sizeof uuid, "GPU-%u", i + (round >= 3 ? 1000 : 0));
            assert_int_equal(gpusignals_add(&g, &s, uuid, &r), 0);
        }
        static const size_t want[] = {0, LIMIT_GPUS, 0, 0, LIMIT_GPUS};
        assert_int_equal(s.n_signals, want[round - 1]);
        end(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_energy),
        cmocka_unit_test(test_more_gpus_than_there_is_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
