/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "launcher/variance/steps.h"

struct made {
    uint32_t rank, step, wall, wait;
    uint16_t flags;
};

static void add(struct steps *s, struct made m, uint64_t now_ms)
{
    struct steprec r = {.rank = m.rank,
                        .step = m.step,
                        .wall_us = m.wall,
                        .wait_us = m.wait,
                        .cpu_us = (m.wall - m.wait) / 2,
                        .t_end_ns = (m.step + 1) * 1000000ull,
                        .flags = m.flags};
    steps_add(s, &r, now_ms);
}

/* Steps [from, to) of `world` ranks of 1000 us busy in 1300 us, rank `slow` of `busy`. */
static void add_steps(struct steps *s, uint32_t world, uint32_t from, uint32_t to,
                      uint32_t slow, uint32_t busy)
{
    for (uint32_t step = from; step < to; step++)
        for (uint32_t r = 0; r < world; r++)
            add(s, (struct made){r, step, 1300, r == slow ? 1300 - busy : 300, 0},
                step);
}

static struct steps *make(uint32_t world, uint32_t warmup)
{
    struct steps *s;
    assert_int_equal(steps_create(world, warmup, NULL, &s), 0);
    return s;
}

static struct steps_job job(const struct steps *s)
{
    struct steps_job j;
    steps_job(s, &j);
    return j;
}

static struct steps_rank rank(const struct steps *s, uint32_t r)
{
    struct steps_rank k;
    steps_rank(s, r, &k);
    return k;
}

static void test_the_slow_rank_is_charged_and_named(void **state)
{
    (void)state;
    struct steps *s = make(4, 5);
    struct steps_now now;
    add_steps(s, 4, 0, 105, 2, 1200);
    assert_int_equal(job(s).closed, 100);
    assert_int_equal(job(s).t_sum, 100 * 1300);
    assert_int_equal(job(s).loss_sum, 100 * 200);
    assert_int_equal(rank(s, 2).loss_sum, 100 * 200);
    assert_int_equal(rank(s, 2).slowest_n, 100);
    assert_int_equal(rank(s, 0).loss_sum, 0);
    assert_int_equal(rank(s, 0).n, 100);
    assert_int_equal(rank(s, 0).busy_sum, 100 * 1000);
    assert_int_equal(rank(s, 0).wait_sum, 100 * 300);
    assert_int_equal(rank(s, 0).cpu_sum, 100 * 500);
    assert_int_equal(rank(s, 2).busy_sum, 100 * 1200);
    assert_int_equal(rank(s, 0).max, 1300);
    assert_true(rank(s, 0).cv < 1e-9 && fabs(rank(s, 0).mean - 1300) < 1e-6);
    assert_int_equal(rank(s, 0).last_step, 104);
    assert_int_equal(steps_culprit(s), 2);
    steps_now(s, &now);
    assert_int_equal(now.step, 104);
    assert_int_equal(now.slowest_rank, 2);
    assert_true(fabs(now.slowest_percent - 20) < 1e-9);
    assert_true(fabs(now.rate - 1000) < 1e-6);
    assert_int_equal(now.p50, 1300);
    steps_destroy(s);
}

static void test_nobody_is_named_without_cause(void **state)
{
    (void)state;
    static const struct {
        uint32_t busy_a, busy_b; /* of ranks 1 and 2, the others have 1000 */
        int32_t culprit;
    } cases[] = {
        {1000, 1000, -1},
        {1015, 1000, -1}, /* 1.5 of 130: under 2 % */
        {1100, 1000, 1},
        {1100, 1090, 1}, /* the largest alone is charged */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct steps *s = make(5, 0);
        for (uint32_t step = 0; step < 50; step++)
            for (uint32_t r = 0; r < 5; r++) {
                uint32_t busy = r == 1   ? cases[i].busy_a
                                : r == 2 ? cases[i].busy_b
                                         : 1000;
                add(s, (struct made){r, step, 1300, 1300 - busy, 0}, step);
            }
        assert_int_equal(steps_culprit(s), cases[i].culprit);
        steps_destroy(s);
    }
    /* Two that take turns: neither has most of it. */
    struct steps *s = make(5, 0);
    struct steps_now now;
    for (uint32_t step = 0; step < 50; step++)
        add_steps(s, 5, step, step + 1, step % 2, 1250);
    assert_int_equal(job(s).loss_sum, 50 * 250);
    assert_int_equal(steps_culprit(s), -1);
    steps_now(s, &now);
    assert_int_equal(now.slowest_rank, -1);
    steps_destroy(s);
}

/* ---- planted streams: noise on all ranks, one of them slowed */

static double uniform(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return (double)(*seed >> 11) / 9007199254740992.0;
}

/* About 1: 5 % of nearly normal noise, and sometimes a long pause. */
static double noise(uint64_t *seed, double pauses)
{
    double sum = 0;
    for (int i = 0; i < 4; i++)
        sum += uniform(seed) - 0.5;
    double x = 1 + 0.05 * sum / 0.577;
    return uniform(seed) < pauses ? x * (2 + 8 * uniform(seed)) : x;
}

/* The named rank of n such steps; *ret_now: that of the live line. slow: who, or UINT32_MAX. */
static int32_t planted(uint32_t world, uint32_t n, uint32_t slow, double factor,
                       double pauses, uint64_t seed, int32_t *ret_now)
{
    struct steps *s = make(world, 0);
    struct steps_now now;
    seed = (seed + 1) * 0x9e3779b97f4a7c15u;
    for (int i = 0; i < 8; i++)
        (void)uniform(&seed);
    for (uint32_t step = 0; step < n; step++) {
        uint32_t busy[16], wall = 0;
        for (uint32_t r = 0; r < world; r++) {
            busy[r] =
                (uint32_t)(20000 * noise(&seed, pauses) * (r == slow ? factor : 1));
            wall = busy[r] > wall ? busy[r] : wall;
        }
        for (uint32_t r = 0; r < world; r++)
            add(s, (struct made){r, step, wall + 500, wall + 500 - busy[r], 0}, step);
    }
    int32_t culprit = steps_culprit(s);
    steps_now(s, &now);
    *ret_now = now.slowest_rank;
    steps_destroy(s);
    return culprit;
}

static const uint32_t worlds[] = {2, 3, 4, 8};

static void test_a_slowed_rank_is_named_through_noise(void **state)
{
    (void)state;
    static const struct {
        double factor, pauses;
        uint32_t steps;
    } cases[] = {
        {1.1, 0, 200}, {1.5, 0, 200}, {1.5, 0.002, 200}, {4, 0, 20}, {4, 0.01, 60}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t w = 0; w < 4; w++)
            for (uint64_t seed = 0; seed < 100; seed++) {
                uint32_t slow = (uint32_t)seed % worlds[w];
                int32_t now = -1,
                        named = planted(worlds[w], cases[i].steps, slow,
                                        cases[i].factor, cases[i].pauses, seed, &now);
                /* A long pause of another rank may rule the live line for a while. */
                if (named != (int32_t)slow ||
                    (now != (int32_t)slow && cases[i].pauses == 0))
                    fail_msg(
                        "case %zu, %u ranks, seed %u: rank %u is slow, named is %d, "
                        "in the live line %d",
                        i, worlds[w], (unsigned)seed, slow, named, now);
            }
}

static void test_noise_names_no_one(void **state)
{
    (void)state;
    static const struct {
        uint32_t steps;
        double pauses;
    } cases[] = {{3, 0}, {10, 0}, {50, 0.02}, {100, 0}, {200, 0.005}};
    for (size_t w = 0; w < 4; w++)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            unsigned named = 0, named_now = 0;
            for (uint64_t seed = 0; seed < 1000; seed++) {
                int32_t now;
                named += planted(worlds[w], cases[i].steps, UINT32_MAX, 1,
                                 cases[i].pauses, seed, &now) >= 0;
                named_now += now >= 0;
            }
            if (named >= 10 || named_now >= 10)
                fail_msg("%u ranks, %u steps: of 1000 runs %u name a rank, %u in the "
                         "live line",
                         worlds[w], cases[i].steps, named, named_now);
        }
}

static void test_median_of_even_and_odd(void **state)
{
    (void)state;
    static const struct {
        uint32_t world, busy[4], loss;
    } cases[] = {
        {1, {500}, 0},
        {2, {500, 700}, 200}, /* the other one is the measure */
        {3, {500, 700, 900}, 200},
        {4, {100, 200, 400, 1000}, 800}, /* the median of the other three */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct steps *s = make(cases[i].world, 0);
        for (uint32_t r = 0; r < cases[i].world; r++)
            add(s, (struct made){r, 0, 2000, 2000 - cases[i].busy[r], 0}, 0);
        assert_int_equal(job(s).closed, 1);
        assert_int_equal(job(s).loss_sum, cases[i].loss);
        steps_destroy(s);
    }
}

static void test_batches_may_come_rank_after_rank(void **state)
{
    (void)state;
    struct steps *s = make(3, 0);
    for (uint32_t r = 0; r < 3; r++)
        for (uint32_t step = 0; step < 3000; step++)
            add(s, (struct made){r, step, 1000, r == 1 ? 0 : 100, 0}, 0);
    assert_int_equal(job(s).closed, 3000);
    assert_int_equal(job(s).loss_sum, 3000 * 100);
    steps_destroy(s);
}

static void test_steps_close_after_two_seconds_with_most_ranks(void **state)
{
    (void)state;
    struct steps *s = make(20, 0);
    for (uint32_t r = 0; r < 20; r++)
        add(s, (struct made){r, 0, 1000, 0, 0}, 0);
    for (uint32_t r = 0; r < 17; r++)
        add(s, (struct made){r, 1, 1000, 0, 0}, 100);
    steps_tick(s, 5000);
    assert_int_equal(job(s).closed, 1); /* 85 %: not yet */
    add(s, (struct made){17, 1, 1000, 0, 0}, 5000);
    steps_tick(s, 5000);
    assert_int_equal(job(s).closed, 2);
    add(s, (struct made){18, 1, 9000, 0, 0}, 5001); /* too late for the step */
    assert_int_equal(job(s).closed, 2);
    assert_int_equal(job(s).max, 1000);
    assert_int_equal(rank(s, 18).n, 2); /* not for the rank */
    steps_destroy(s);
}

static void test_a_rank_that_never_marks_is_not_waited_for(void **state)
{
    (void)state;
    struct steps *s = make(4, 0);
    add_steps(s, 3, 0, 10, 1, 1200);
    assert_int_equal(job(s).closed, 0);
    steps_tick(s, 2009);
    assert_int_equal(job(s).closed, 10);
    steps_destroy(s);
}

static void test_finish_counts_only_what_can_be_compared(void **state)
{
    (void)state;
    struct steps *s = make(4, 0);
    add_steps(s, 4, 0, 10, 1, 1200);
    add_steps(s, 2, 10, 15, 1, 1200); /* half of the ranks */
    steps_finish(s);
    assert_int_equal(job(s).closed, 10);
    assert_int_equal(job(s).loss_sum, 10 * 200);
    assert_int_equal(rank(s, 0).n, 15);
    steps_destroy(s);
}

static void test_special_and_warm_steps_stay_out(void **state)
{
    (void)state;
    struct steps *s = make(2, 3);
    for (uint32_t step = 0; step < 10; step++)
        for (uint32_t r = 0; r < 2; r++)
            add(s,
                (struct made){r, step, step < 3 ? 90000 : 1000, 0,
                              step == 7 && r == 1 ? STEPREC_SPECIAL : 0},
                step);
    assert_int_equal(job(s).closed, 6);
    assert_int_equal(job(s).special, 1);
    assert_int_equal(job(s).max, 1000);
    assert_int_equal(rank(s, 0).n, 7);
    assert_int_equal(rank(s, 1).n, 6);
    assert_int_equal(rank(s, 1).last_step, 9);
    steps_destroy(s);
}

static void test_a_restart_from_a_checkpoint(void **state)
{
    (void)state;
    struct steps *s = make(3, 2);
    add_steps(s, 3, 0, 50, 1, 1200);
    for (uint32_t step = 50; step < 55;
         step++) /* rank 2 died earlier than the others */
        add_steps(s, 2, step, step + 1, 1, 1200);
    add_steps(s, 3, 40, 90, 1, 1200);
    steps_finish(s);
    /* The first attempt's 48, the second's 48; the five of two ranks are not comparable. */
    assert_int_equal(job(s).closed, 96);
    assert_int_equal(job(s).loss_sum, 96 * 200);
    assert_int_equal(rank(s, 0).n, 48 + 5 + 48);
    steps_destroy(s);
}

static void test_a_restart_that_one_rank_did_not_show(void **state)
{
    (void)state;
    struct steps *s = make(20, 0);
    add_steps(s, 20, 0, 20, 1, 1200);
    add_steps(s, 19, 20, 40, 1, 1200); /* the last rank's records are lost */
    steps_tick(s, 10000);
    add_steps(s, 20, 30, 60, 1, 1200); /* all go back to 30: its numbers only rise */
    steps_finish(s);
    assert_int_equal(job(s).closed, 40 + 30);
    assert_int_equal(job(s).loss_sum, 70 * 200);
    steps_destroy(s);
}

static void test_lost_records_hold_nothing_up(void **state)
{
    (void)state;
    struct steps *s = make(2, 0);
    for (uint32_t step = 0; step < 20000; step++)
        for (uint32_t r = 0; r < 2; r++)
            if (r == 0 || step % 2 == 0)
                add(s, (struct made){r, step, 1000, 0, 0}, 0);
    steps_dropped(s, 1, 10000);
    steps_dropped(s, 1, 5); /* counters do not fall */
    steps_dropped(s, 7, 5); /* no such rank */
    assert_int_equal(job(s).closed, 10000);
    assert_int_equal(rank(s, 1).dropped, 10000);
    add(s, (struct made){99, 0, 1, 1, 0}, 0); /* no such rank */
    steps_destroy(s);
}

/* ---- what others are told of steps */

struct told {
    uint32_t n, n_records;
    uint64_t last_key;
    struct steps_closed c[64];
    struct steprec late[64][STEPS_LATE];
};

static void on_record(void *arg, const struct steprec *r, uint32_t attempt)
{
    struct told *t = arg;
    (void)r;
    (void)attempt;
    t->n_records++;
}

static void on_closed(void *arg, const struct steps_closed *c)
{
    struct told *t = arg;
    uint64_t key = (uint64_t)c->attempt << 32 | c->step;
    if (t->n > 0 && key <= t->last_key)
        fail_msg("step %u of attempt %u is not in order", c->step, c->attempt);
    t->last_key = key;
    if (t->n == 64)
        return;
    for (size_t i = 0; i < c->n_late; i++)
        t->late[t->n][i] = c->late[i];
    t->c[t->n++] = *c;
}

static struct steps *make_told(uint32_t world, uint32_t warmup, struct told *t)
{
    struct steps *s;
    struct steps_ops ops = {.record = on_record, .closed = on_closed, .arg = t};
    *t = (struct told){0};
    assert_int_equal(steps_create(world, warmup, &ops, &s), 0);
    return s;
}

static void test_what_is_told_of_a_step(void **state)
{
    (void)state;
    static const uint32_t busy[] = {500, 900, 700, 300, 900, 800};
    struct told t;
    struct steps *s = make_told(6, 0, &t);
    for (uint32_t r = 0; r < 6; r++) {
        struct steprec rec = {.rank = r,
                              .step = 7,
                              .wall_us = 1000 + r,
                              .wait_us = 1000 + r - busy[r],
                              .cpu_us = busy[r] - 10,
                              .rundelay_us = 5,
                              .throttled_us = 2,
                              .blocked_us = 3,
                              .stolen_us = 1,
                              .minflt16 = 2,
                              .majflt = 1,
                              .t_end_ns = 100 + r};
        steps_add(s, &rec, 40 + r);
    }
    assert_int_equal(t.n, 1);
    assert_int_equal(t.n_records, 6);
    const struct steps_closed *c = &t.c[0];
    assert_true(c->counted && c->enough && !c->warming && !c->repeated);
    assert_int_equal(c->step, 7);
    assert_int_equal(c->now_ms, 45);
    assert_int_equal(c->n, 6);
    assert_int_equal(c->t, 1005);
    assert_int_equal(c->median, 700);
    assert_int_equal(c->loss, 200);
    assert_int_equal(c->slowest, 1); /* of equals the lowest */
    assert_int_equal(c->min_wait, 101);
    assert_int_equal(c->lead, 0);
    assert_int_equal(c->lead_wall, 1000);
    assert_int_equal(c->lead_end_ns, 100);
    assert_int_equal(c->sums.busy, 4100);
    assert_int_equal(c->sums.wait, 6015 - 4100);
    assert_int_equal(c->sums.cpu, 4040);
    assert_int_equal(c->sums.rundelay, 30);
    assert_int_equal(c->sums.throttled, 12);
    assert_int_equal(c->sums.blocked, 18);
    assert_int_equal(c->sums.stolen, 6);
    assert_int_equal(c->sums.faults, 6 * 33);
    assert_int_equal(c->n_late, STEPS_LATE);
    static const uint32_t late[] = {1, 4, 5, 2};
    for (size_t i = 0; i < STEPS_LATE; i++)
        assert_int_equal(t.late[0][i].rank, late[i]);
    steps_destroy(s);
}

static void test_steps_are_told_in_order(void **state)
{
    (void)state;
    struct told t;
    struct steps *s = make_told(10, 1, &t);
    add_steps(s, 10, 0, 3, 1, 1200);
    for (uint32_t step = 3; step < 6; step++) /* 80 %: cannot be closed */
        add_steps(s, 8, step, step + 1, 1, 1200);
    for (uint32_t r = 0; r < 10; r++)
        if (r != 9)
            add(s, (struct made){r, 6, 1300, 300, STEPREC_SPECIAL}, 10);
    steps_tick(s, 1000);
    assert_int_equal(t.n, 3);
    steps_tick(s, 5000);
    assert_int_equal(t.n, 3); /* the last rank may still report them: 90 % */
    add(s, (struct made){9, 7, 1300, 300, 0}, 5000);
    steps_tick(s, 5001);
    assert_int_equal(t.n, 7);
    assert_true(t.c[0].warming && !t.c[0].counted && t.c[1].counted);
    assert_true(!t.c[3].enough && t.c[3].n == 8 && !t.c[3].counted);
    assert_true(t.c[6].enough && t.c[6].flags & STEPREC_SPECIAL && !t.c[6].counted);
    for (uint32_t r = 0; r < 9; r++)
        add(s, (struct made){r, 7, 1300, 300, 0}, 5000);
    assert_int_equal(t.n, 8);
    steps_destroy(s);

    /* A whole step closes all before it at once. */
    s = make_told(2, 0, &t);
    add(s, (struct made){0, 0, 10, 0, 0}, 0);
    add(s, (struct made){0, 1, 10, 0, 0}, 0);
    add(s, (struct made){1, 1, 10, 0, 0}, 0);
    assert_int_equal(t.n, 2);
    assert_true(!t.c[0].enough && t.c[1].enough);
    steps_destroy(s);
}

static void test_repeated_steps_are_told(void **state)
{
    (void)state;
    struct told t;
    struct steps *s = make_told(2, 0, &t);
    add_steps(s, 2, 0, 10, 1, 1200);
    add_steps(s, 2, 6, 8, 1, 1200);
    add_steps(s, 2, 7, 12, 1, 1200);
    steps_finish(s);
    assert_int_equal(t.n, 17);
    for (uint32_t i = 0; i < 17; i++)
        if (t.c[i].repeated != (i >= 10 && t.c[i].step < 10))
            fail_msg("step %u of attempt %u: repeated %d", t.c[i].step, t.c[i].attempt,
                     t.c[i].repeated);
    steps_destroy(s);
}

static void test_wild_numbers(void **state)
{
    (void)state;
    struct steps *s = make(3, 1);
    uint32_t x = 1;
    struct steps_now now;
    for (int i = 0; i < 50000; i++) {
        x = x * 1664525 + 1013904223;
        add(s,
            (struct made){x >> 30, x >> 5, x * 3, x * 7,
                          (uint16_t)((x >> 9) % 37 == 0)},
            (uint64_t)i / 8);
        if (i % 1000 == 0) {
            steps_tick(s, (uint64_t)i / 8);
            steps_now(s, &now);
        }
    }
    add(s, (struct made){0, UINT32_MAX, UINT32_MAX, 0, 0}, 0);
    steps_finish(s);
    assert_true(job(s).loss_sum <= job(s).t_sum);
    assert_int_equal(rank(s, 0).loss_sum + rank(s, 1).loss_sum + rank(s, 2).loss_sum,
                     job(s).loss_sum);
    steps_destroy(s);
}

/* Steps of two ranks that take 1000 us each by their hosts' pace, first paced, then some in
 * which rank 1 is known to have kept rank 0 waiting for 200 us. */
static void test_steps_at_the_pace_of_hosts(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t paced, known;
        uint64_t loss, wait0; /* sums */
    } t[] = {
        {"nothing is known", 50, 0, 0, 0},
        {"all is known", 0, 10, 2000, 2000},
        {"one stands for those before it", 9, 1, 2000, 2000},
        {"but not for any number of them", 1000, 1, 200 + 64 * 200, 200 + 64 * 200},
    };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct steps *s = make(2, 0);
        uint32_t n = t[i].paced + t[i].known;
        for (uint32_t step = 0; step < n; step++) {
            bool paced = step < t[i].paced;
            uint16_t flags = paced ? STEPREC_HOST_PACED : STEPREC_DEEP;
            uint32_t jitter = paced && step % 2 ? 100 : 0; /* which is nobody's */
            add(s, (struct made){0, step, 1000 - jitter, paced ? 0 : 200, flags}, step);
            add(s, (struct made){1, step, 1000, 0, flags}, step);
        }
        struct steps_job j = job(s);
        struct steps_rank r0 = rank(s, 0), r1 = rank(s, 1);
        if (t[i].known == 0) { /* which is not 0 */
            assert_true(j.loss_sum == STEPS_UNKNOWN && r1.loss_sum == STEPS_UNKNOWN);
            assert_true(r1.slowest_n == STEPS_UNKNOWN && r1.wait_p50 == STEPS_UNKNOWN);
            assert_true(r0.wait_sum == STEPS_UNKNOWN && r0.busy_sum == STEPS_UNKNOWN);
            steps_destroy(s);
            continue;
        }
        if (j.closed != n || j.t_sum != n * 1000u || j.loss_sum != t[i].loss)
            fail_msg("%s: %llu of %llu us are lost", t[i].name,
                     (unsigned long long)j.loss_sum, (unsigned long long)j.t_sum);
        uint64_t off = r0.wait_sum > t[i].wait0 ? r0.wait_sum - t[i].wait0
                                                : t[i].wait0 - r0.wait_sum;
        if (off > t[i].wait0 / 10 || r1.wait_sum != 0)
            fail_msg("%s: the ranks waited %llu and %llu us", t[i].name,
                     (unsigned long long)r0.wait_sum, (unsigned long long)r1.wait_sum);
        assert_int_equal(r0.busy_sum + r0.wait_sum, r0.wall_sum);
        assert_int_equal(r1.loss_sum, t[i].loss);
        steps_destroy(s);
    }
}

/* Ten ranks of which some are known by the pace of their hosts alone; those are the first,
 * and their hosts are slow. Rank 7 keeps the others waiting for 200 of 1000 us. */
static void test_most_ranks_are_enough_to_compare(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t paced;
        uint64_t loss, t; /* of a step */
        int32_t culprit;
    } t[] = {
        {"all are known", 0, 200, 1000, 7},
        {"but one", 1, 200, 1000, 7},
        {"but two", 2, STEPS_UNKNOWN, 5000, -1},
        {"none is known", 10, STEPS_UNKNOWN, 5000, -1},
    };
    enum { STEPS = 100 };
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct steps *s = make(10, 0);
        for (uint32_t step = 0; step < STEPS; step++)
            for (uint32_t r = 0; r < 10; r++)
                add(s,
                    r < t[i].paced
                        ? (struct made){r, step, 5000, 0, STEPREC_HOST_PACED}
                        : (struct made){r, step, 1000, r == 7 ? 0 : 200, STEPREC_DEEP},
                    step);
        struct steps_job j = job(s);
        uint64_t loss = t[i].loss == STEPS_UNKNOWN ? t[i].loss : t[i].loss * STEPS;
        if (j.loss_sum != loss || j.t_sum != t[i].t * STEPS ||
            j.uncompared != (t[i].culprit < 0 ? STEPS : 0) ||
            steps_culprit(s) != t[i].culprit)
            fail_msg("%s: %llu of %llu us are lost, %llu uncompared, rank %d is named",
                     t[i].name, (unsigned long long)j.loss_sum,
                     (unsigned long long)j.t_sum, (unsigned long long)j.uncompared,
                     (int)steps_culprit(s));
        assert_int_equal(rank(s, 7).loss_sum, loss);
        if (t[i].paced > 0)
            assert_true(rank(s, 0).wait_sum == STEPS_UNKNOWN);
        steps_destroy(s);
    }
}

static void test_nothing_at_all(void **state)
{
    (void)state;
    struct steps *s = make(3, 1);
    struct steps_now now;
    steps_now(s, &now);
    assert_int_equal(now.closed, 0);
    assert_int_equal(now.slowest_rank, -1);
    steps_tick(s, 5);
    steps_finish(s);
    assert_int_equal(job(s).p99, 0);
    assert_int_equal(rank(s, 0).n, 0);
    assert_int_equal(rank(s, 99).n, 0);
    assert_int_equal(steps_culprit(s), -1);
    steps_destroy(s);
    steps_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_slow_rank_is_charged_and_named),
        cmocka_unit_test(test_nobody_is_named_without_cause),
        cmocka_unit_test(test_a_slowed_rank_is_named_through_noise),
        cmocka_unit_test(test_noise_names_no_one),
        cmocka_unit_test(test_median_of_even_and_odd),
        cmocka_unit_test(test_batches_may_come_rank_after_rank),
        cmocka_unit_test(test_steps_close_after_two_seconds_with_most_ranks),
        cmocka_unit_test(test_a_rank_that_never_marks_is_not_waited_for),
        cmocka_unit_test(test_finish_counts_only_what_can_be_compared),
        cmocka_unit_test(test_special_and_warm_steps_stay_out),
        cmocka_unit_test(test_a_restart_from_a_checkpoint),
        cmocka_unit_test(test_a_restart_that_one_rank_did_not_show),
        cmocka_unit_test(test_lost_records_hold_nothing_up),
        cmocka_unit_test(test_what_is_told_of_a_step),
        cmocka_unit_test(test_steps_are_told_in_order),
        cmocka_unit_test(test_repeated_steps_are_told),
        cmocka_unit_test(test_wild_numbers),
        cmocka_unit_test(test_steps_at_the_pace_of_hosts),
        cmocka_unit_test(test_most_ranks_are_enough_to_compare),
        cmocka_unit_test(test_nothing_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
