/* SPDX-License-Identifier: MIT */
/* What noise alone makes of attribution, and what a change by some percent takes to be
 * seen in it. The streams are seeded, so the numbers are the same each time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "launcher/variance/attribute.h"
#include "launcher/variance/cusum.h"
#include "tests/lib/stream.h"

struct counts {
    uint64_t culprits, slow;
    double loss, small, preempted;
};

static void on_culprit(void *arg, const struct culprit *c)
{
    struct counts *n = arg;
    (void)c;
    n->culprits++;
}

static void on_spell(void *arg, const struct spell *s)
{
    struct counts *n = arg;
    n->slow += !s->over;
}

static struct counts run(struct stream *s, uint32_t steps)
{
    struct counts n = {0};
    struct attribute *a;
    struct steps *st;
    struct attribution is;
    struct attribute_ops ops = {.culprit = on_culprit, .spell = on_spell, .arg = &n};
    assert_int_equal(stream_init(s), 0);
    assert_int_equal(attribute_create(s->world, NULL, &ops, &a), 0);
    struct steps_ops so = {
        .record = attribute_record, .closed = attribute_step, .arg = a};
    assert_int_equal(steps_create(s->world, 5, &so, &st), 0);
    stream_run(s, st, 0, steps);
    steps_finish(st);
    attribute_finish(a, s->clock_ns / 1000000);
    attribute_result(a, &is);
    n.small = is.small_us;
    n.preempted = is.loss_us[MECH_PREEMPTED];
    for (int i = 0; i < MECH_N; i++)
        n.loss += is.loss_us[i];
    steps_destroy(st);
    attribute_destroy(a);
    stream_fini(s);
    return n;
}

#define RANK_STEPS 400000u

static void test_noise_makes_no_one_slow(void **state)
{
    (void)state;
    /* The most that are named in 400,000 steps of a rank: culprits, slow spells. */
    static const struct {
        uint32_t world;
        double sigma, correlation, tail;
        unsigned culprits, slow;
    } cases[] = {
        {1, 0.02, 0, 0, 0, 0},
        {2, 0.02, 0, 0, 0, 0},
        {4, 0.05, 0, 0, 0, 0},
        {8, 0.15, 0, 0, 2, 0},
        {64, 0.02, 0, 0, 0, 0},
        /* Half of the noise of a step is that of the step before: five steps in a row are
         * late now and then, and in truth. */
        {4, 0.05, 0.5, 0, 25, 3},
        {8, 0.05, 0.5, 0, 10, 2},
        /* So slow a noise makes some ranks slower than the others for a while, by what it
         * always does: that is no change. */
        {1, 0.05, 0.9, 0, 0, 0},
        {2, 0.05, 0.9, 0, 10, 2},
        {4, 0.02, 0.9, 0, 50, 4},
        {4, 0.05, 0.9, 0, 100, 5},
        {4, 0.10, 0.9, 0, 500, 6},
        {8, 0.05, 0.9, 0, 50, 2},
        {4, 0.05, 0.98, 0, 600, 12},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct stream s = {.world = cases[i].world,
                           .busy_us = 10000,
                           .coll_us = 300,
                           .sigma = cases[i].sigma,
                           .correlation = cases[i].correlation,
                           .seed = 1000 + i};
        struct counts n = run(&s, RANK_STEPS / s.world);
        if (n.culprits > cases[i].culprits || n.slow > cases[i].slow)
            fail_msg(
                "%u ranks, sigma %.2f, correlation %.1f: %llu culprits, %llu spells",
                s.world, s.sigma, s.correlation, (unsigned long long)n.culprits,
                (unsigned long long)n.slow);
        /* Run delay is a part of the noise, and measured: so much is charged to it. */
        assert_true(s.world == 1 || s.correlation > 0.9 || n.small > 40 * n.loss);
    }
}

/* Pauses of single steps are charged, and no reason to call a rank slow. */
static void test_pauses_are_late_steps_and_no_slowness(void **state)
{
    (void)state;
    static const struct {
        uint32_t world;
        double tail;
    } cases[] = {{1, 0.002}, {2, 0.002}, {4, 0.01}, {16, 0.02}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct stream s = {.world = cases[i].world,
                           .busy_us = 10000,
                           .coll_us = 300,
                           .sigma = 0.02,
                           .correlation = 0.5,
                           .tail = cases[i].tail,
                           .seed = 2000 + i};
        struct counts n = run(&s, 100000 / s.world);
        double pauses = 100000 * s.tail;
        /* Those by 20 % or more: seven tenths of them (10 % to tenfold, on a log scale,
         * is two decades); of several in one step three at most. */
        if ((double)n.culprits < 0.7 * pauses || (double)n.culprits > 1.1 * pauses ||
            n.slow > 0)
            fail_msg("%u ranks: %llu culprits of %.0f pauses, %llu spells", s.world,
                     (unsigned long long)n.culprits, pauses,
                     (unsigned long long)n.slow);
        assert_true(s.world == 1 || n.loss > n.small / 4);
    }
}

/* Where others take a core again and again, no single step stands out, and nobody is to be
 * named for it; what it costs was measured nevertheless. */
static void test_what_is_usual_is_charged_to_what_was_measured(void **state)
{
    (void)state;
    static const struct planted often[] = {
        {.rank = 0, .to = 4000, .every = 2, .what = PLANT_PREEMPTED, .us = 4000},
        {.rank = 0, .to = 4000, .every = 3, .what = PLANT_PREEMPTED, .us = 2500},
        {.rank = 1, .to = 4000, .every = 3, .what = PLANT_PREEMPTED, .us = 4000},
        {.rank = 1,
         .from = 1,
         .to = 4000,
         .every = 2,
         .what = PLANT_PREEMPTED,
         .us = 2500},
    };
    struct stream s = {.world = 2,
                       .busy_us = 7000,
                       .sigma = 0.01,
                       .seed = 3,
                       .planted = often,
                       .n_planted = sizeof often / sizeof *often};
    struct counts n = run(&s, 4000);
    if (n.culprits > 100 || n.slow > 0 || n.preempted < 8 * n.small ||
        n.preempted < 0.95 * n.loss)
        fail_msg("%llu culprits, %llu spells, preempted %.0f of %.0f, small %.0f",
                 (unsigned long long)n.culprits, (unsigned long long)n.slow,
                 n.preempted, n.loss, n.small);
}

/* ---- how long until a change is known */

struct delays {
    unsigned crossed, told; /* of a hundred */
    double cross, tell;     /* steps, in the mean */
    double since;           /* how far off */
};

#define BEFORE 500

static void one_change(uint64_t seed, double sigma, double factor, struct delays *d)
{
    struct stream s = {.world = 1, .seed = seed};
    struct cusum c;
    bool crossed = false;
    cusum_init(&c, false);
    for (uint32_t step = 0; step < BEFORE + 1000; step++) {
        double change = step < BEFORE ? 0 : log(factor);
        enum cusum_news n = cusum_add(&c, step, sigma * stream_normal(&s) + change);
        if (step < BEFORE) {
            assert_int_equal(n, CUSUM_NOTHING);
        } else if (c.verifying && !crossed) {
            crossed = true;
            d->crossed++;
            d->cross += step - BEFORE + 1;
        } else if (n == CUSUM_SLOW) {
            d->told++;
            d->tell += step - BEFORE + 1;
            d->since += abs((int)c.since - BEFORE);
            return;
        }
    }
}

static void test_delays(void **state)
{
    (void)state;
    /* The sum crosses its limit after `cross` steps; 16 more verify it, or some blocks of
     * as many where it is less than 7 % or 3 sigma. 4 % are seen and not told. */
    static const struct {
        double sigma, factor;
        unsigned crossed, told_least, told_most;
        double cross, tell, since; /* at most */
    } cases[] = {
        {0.01, 1.04, 100, 0, 0, 5, 0, 0},
        {0.02, 1.04, 100, 0, 5, 12, 60, 4},
        {0.05, 1.05, 60, 0, 2, 35, 60, 20},
        {0.01, 1.06, 100, 100, 100, 4.5, 40, 0.2},
        {0.02, 1.06, 100, 95, 100, 7, 60, 1.5},
        {0.03, 1.06, 100, 75, 100, 14, 70, 3},
        {0.01, 1.10, 100, 100, 100, 4.5, 21, 0.1},
        {0.02, 1.10, 100, 100, 100, 4.5, 21, 0.1},
        {0.05, 1.10, 100, 60, 75, 11, 42, 2},
        {0.05, 1.15, 100, 99, 100, 7, 38, 0.5},
        {0.01, 1.50, 100, 100, 100, 4.5, 21, 0.1},
        {0.05, 1.50, 100, 100, 100, 4.5, 21, 0.1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct delays d = {0};
        for (uint64_t seed = 0; seed < 100; seed++)
            one_change(seed, cases[i].sigma, cases[i].factor, &d);
        d.cross /= d.crossed ? d.crossed : 1;
        d.tell /= d.told ? d.told : 1;
        d.since /= d.told ? d.told : 1;
        if (d.crossed < cases[i].crossed || d.told < cases[i].told_least ||
            d.told > cases[i].told_most || d.cross > cases[i].cross ||
            d.tell > cases[i].tell || d.since > cases[i].since)
            fail_msg("sigma %.2f, x%.2f: %u cross after %.1f, %u told after %.1f, the "
                     "beginning off by %.2f",
                     cases[i].sigma, cases[i].factor, d.crossed, d.cross, d.told,
                     d.tell, d.since);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_noise_makes_no_one_slow),
        cmocka_unit_test(test_pauses_are_late_steps_and_no_slowness),
        cmocka_unit_test(test_what_is_usual_is_charged_to_what_was_measured),
        cmocka_unit_test(test_delays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
