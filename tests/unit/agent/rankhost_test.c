/* SPDX-License-Identifier: MIT */
/* Intervals over readings that are made up: whose figures, and when there are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "agent/rankhost.h"

#define MS 1000000ull

/* A thread by what it does all the time, in percent of it, between two times (ms). */
struct life {
    int32_t tid;
    uint64_t start, from_ms, to_ms;
    unsigned cpu, delay;
};
/* Before and after that time it sleeps. */
static uint64_t lived(const struct life *l, uint64_t t_ms, unsigned percent)
{
    uint64_t t = t_ms < l->from_ms ? l->from_ms : t_ms > l->to_ms ? l->to_ms : t_ms;
    return (t - l->from_ms) * MS * percent / 100 + MS; /* it has lived before, too */
}

static struct rankhost_reading reading(const struct life *l, size_t n, uint64_t t_ms)
{
    struct rankhost_reading r = {.t_ns = t_ms * MS, .process = 1, .n = (uint32_t)n};
    for (size_t i = 0; i < n; i++)
        r.thread[i] =
            (struct rankhost_thread){.tid = l[i].tid,
                                     .start = l[i].start,
                                     .cpu_ns = lived(&l[i], t_ms, l[i].cpu),
                                     .delay_ns = lived(&l[i], t_ms, l[i].delay),
                                     .turns = t_ms / 10,
                                     .minflt = t_ms,
                                     .majflt = 0};
    return r;
}

static struct rankhost *fed(const struct life *l, size_t n, uint64_t to_ms)
{
    struct rankhost *h = calloc(1, sizeof *h);
    assert_non_null(h);
    for (uint64_t t = 0; t <= to_ms; t += 100) {
        struct rankhost_reading r = reading(l, n, t);
        rankhost_add(h, &r);
    }
    return h;
}

static const struct row {
    const char *what;
    struct life life[2];
    size_t n;
    uint64_t from_ms, to_ms;
    bool known, direct;
    uint64_t cpu_ms, delay_ms;
} rows[] = {
    {"between readings",
     {{7, 1, 0, 9999, 60, 20}},
     1,
     1000,
     1500,
     true,
     true,
     300,
     100},
    {"borders within them",
     {{7, 1, 0, 9999, 60, 20}},
     1,
     1050,
     1550,
     true,
     true,
     300,
     100},
    {"a change within a step",
     {{7, 1, 1200, 9999, 50, 50}},
     1,
     1000,
     1400,
     true,
     true,
     100,
     100},
    {"of two the one that wants most, not their sum",
     {{7, 1, 0, 9999, 30, 0}, {8, 1, 0, 9999, 20, 30}},
     2,
     1000,
     1400,
     true,
     true,
     80,
     120},
    {"the other one sleeps here",
     {{7, 1, 0, 1000, 90, 0}, {8, 1, 0, 9999, 10, 10}},
     2,
     1200,
     1600,
     true,
     true,
     40,
     40},
    {"a short one: the mean",
     {{7, 1, 0, 9999, 50, 10}},
     1,
     1930,
     2000,
     true,
     false,
     35,
     7},
    {"until just after the last reading",
     {{7, 1, 0, 9999, 50, 10}},
     1,
     1540,
     2040,
     true,
     true,
     250,
     50},
    {"long after the last reading",
     {{7, 1, 0, 9999, 50, 10}},
     1,
     1600,
     2100,
     false,
     false,
     0,
     0},
    {"it ends before it begins",
     {{7, 1, 0, 9999, 50, 10}},
     1,
     1500,
     1500,
     false,
     false,
     0,
     0},
    {"no thread is known",
     {{7, 1, 0, 9999, 50, 10}},
     0,
     1000,
     1500,
     false,
     false,
     0,
     0},
};

static void test_intervals(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *x = &rows[i];
        struct rankhost *h = fed(x->life, x->n, 2000);
        struct rankhost_figures f = {0};
        bool known = rankhost_over(h, x->from_ms * MS, x->to_ms * MS, &f);
        if (known != x->known ||
            (known && (f.direct != x->direct || (f.cpu_ns + MS / 2) / MS != x->cpu_ms ||
                       (f.delay_ns + MS / 2) / MS != x->delay_ms)))
            fail_msg("%s: known %d, direct %d, %llu us of CPU, %llu us delayed",
                     x->what, known, f.direct, (unsigned long long)f.cpu_ns / 1000,
                     (unsigned long long)f.delay_ns / 1000);
        free(h);
    }
}

/* What happens to the readings; each leaves no figures of the time before it. */
static void on_gap(struct rankhost *h, struct rankhost_reading *r)
{
    (void)h;
    r->t_ns += 5000 * MS;
}
static void on_clock_back(struct rankhost *h, struct rankhost_reading *r)
{
    (void)h;
    r->t_ns -= 1000 * MS;
}
static void on_counter_back(struct rankhost *h, struct rankhost_reading *r)
{
    (void)h;
    r->thread[0].delay_ns = 0;
}
static void on_quota_back(struct rankhost *h, struct rankhost_reading *r)
{
    h->at[h->n - 1].throttled_ns = 5;
    r->throttled_ns = 4;
}
static void on_process(struct rankhost *h, struct rankhost_reading *r)
{
    (void)h;
    r->process++;
}
static void on_same_number(struct rankhost *h, struct rankhost_reading *r)
{
    (void)h;
    r->thread[0].start++;
}
static void on_gone(struct rankhost *h, struct rankhost_reading *r)
{
    (void)h;
    r->n = 0;
}

static void test_what_cannot_be_joined_is_not_known(void **state)
{
    (void)state;
    static void (*const happens[])(struct rankhost *, struct rankhost_reading *) = {
        on_gap,     on_clock_back,  on_counter_back, on_quota_back,
        on_process, on_same_number, on_gone};
    const struct life l = {7, 1, 0, 99999, 50, 10};
    for (size_t i = 0; i < sizeof happens / sizeof *happens; i++) {
        struct rankhost *h = fed(&l, 1, 2000);
        struct rankhost_reading r = reading(&l, 1, 2100);
        struct rankhost_figures f;
        happens[i](h, &r);
        rankhost_add(h, &r);
        if (rankhost_over(h, 1700 * MS, r.t_ns - 10 * MS, &f) ||
            rankhost_over(h, 1100 * MS, r.t_ns - 10 * MS, &f))
            fail_msg("%zu: figures", i);
        free(h);
    }
}

/* One late step among short ones: the mean knows nothing of what made it late. */
static void test_a_late_step_is_not_explained_by_a_mean(void **state)
{
    (void)state;
    const struct life l = {7, 1, 0, 99999, 50, 50};
    struct rankhost *h = fed(&l, 1, 4000);
    struct rankhost_figures f;
    for (uint64_t t = 2000; t < 3000; t += 20)
        assert_true(rankhost_over(h, t * MS, (t + 20) * MS, &f));
    assert_true(f.cpu_ns == 10 * MS && f.delay_ns == 10 * MS);
    assert_true(rankhost_over(h, 3000 * MS, 3120 * MS, &f)); /* 120 ms */
    assert_false(f.direct);
    assert_true(f.delay_ns <= 12 * MS && f.cpu_ns <= 12 * MS);
    struct steprec r = {.wall_us = 120000, .flags = STEPREC_PARTIAL};
    rankhost_fill(&f, 1, &r);
    assert_true(r.blocked_us <= 2000); /* the rest is not called sleep */
    free(h);
}

static void test_long_intervals_are_remembered(void **state)
{
    (void)state;
    const struct life l = {7, 1, 0, 9999999, 40, 10};
    struct rankhost *h = fed(&l, 1, 600000);
    struct rankhost_figures f;
    assert_true(h->n <= RANKHOST_KEPT);
    for (uint64_t ms = 400; ms <= 400000; ms *= 10) {
        assert_true(rankhost_over(h, (600000 - ms) * MS, 600000 * MS, &f));
        assert_true(f.direct);
        assert_in_range(f.cpu_ns / MS, ms * 40 / 100 - 1, ms * 40 / 100 + 1);
    }
    assert_false(rankhost_over(h, 0, 600000 * MS + 500 * MS, &f));
    free(h);
}

static void test_records(void **state)
{
    (void)state;
    static const struct {
        uint64_t length_ms, cpu_ms, delay_ms, throttled_ms;
        uint32_t n, wall_us;
        struct steprec want; /* not waits */
    } t[] = {
        {100,
         60,
         30,
         0,
         1,
         100000,
         {.cpu_us = 60000, .rundelay_us = 30000, .blocked_us = 10000}},
        {100,
         60,
         30,
         20,
         1,
         100000,
         {.cpu_us = 60000,
          .rundelay_us = 30000,
          .throttled_us = 20000,
          .blocked_us = 10000}},
        {100,
         60,
         30,
         90,
         1,
         100000,
         {.cpu_us = 60000,
          .rundelay_us = 30000,
          .throttled_us = 30000,
          .blocked_us = 10000}},
        {100, 90, 30, 0, 1, 100000, {.cpu_us = 90000, .rundelay_us = 10000}},
        {100, 120, 30, 0, 1, 100000, {.cpu_us = 100000}},
        {1000,
         600,
         300,
         0,
         10,
         100000,
         {.cpu_us = 60000, .rundelay_us = 30000, .blocked_us = 10000}},
        {50,
         30,
         10,
         0,
         1,
         100000,
         {.cpu_us = 30000, .rundelay_us = 10000, .blocked_us = 10000}},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        const struct rankhost_figures f = {.length_ns = t[i].length_ms * MS,
                                           .cpu_ns = t[i].cpu_ms * MS,
                                           .delay_ns = t[i].delay_ms * MS,
                                           .throttled_ns = t[i].throttled_ms * MS};
        unsigned flags = STEPREC_PARTIAL | STEPREC_HOST_PACED;
        struct steprec r = {.wall_us = t[i].wall_us, .flags = (uint16_t)flags}, w = r;
        rankhost_fill(&f, t[i].n, &r);
        assert_int_equal(r.flags, flags | STEPREC_SAMPLED);
        assert_int_equal(r.cpu_us, t[i].want.cpu_us);
        assert_int_equal(r.rundelay_us, t[i].want.rundelay_us);
        assert_int_equal(r.throttled_us, t[i].want.throttled_us);
        assert_int_equal(r.blocked_us, t[i].want.blocked_us);
        rankhost_fill_waits(&f, t[i].n, &w);
        assert_int_equal(w.flags, STEPREC_PARTIAL | STEPREC_SAMPLED);
        assert_int_equal(w.blocked_us, 0);
        assert_int_equal(steprec_busy_us(&w), w.cpu_us + w.rundelay_us);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_intervals),
        cmocka_unit_test(test_what_cannot_be_joined_is_not_known),
        cmocka_unit_test(test_a_late_step_is_not_explained_by_a_mean),
        cmocka_unit_test(test_long_intervals_are_remembered),
        cmocka_unit_test(test_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
