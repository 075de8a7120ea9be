/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/variance/cost.h"
#include "launcher/variance/ledger.h"
#include "launcher/variance/stepwindow.h"

#define S  UINT64_C(1000000) /* a second, us */
#define NS UINT64_C(1000)    /* a microsecond, ns */

/* A step of the lead: wall and the time since the end of its last one, us. */
struct say {
    uint32_t wall, loss;
    uint64_t gap;
    uint16_t flags;
    bool warming, repeated, few;
    uint32_t lead, attempt;
    int64_t jump; /* of the lead's clock before it, us */
};

#define SPECIAL STEPREC_SPECIAL
#define OVERRUN UINT64_MAX

static const struct row {
    const char *what;
    struct say steps[6];
    double usual;
    uint64_t start, run, end, earlier; /* ms */
    uint64_t want[LEDGER_ROWS]; /* us; outside is found by the test: OVERRUN: 0 */
    uint64_t hangs;
} table[] = {
    {.what = "no step at all",
     .start = 1200,
     .run = 5000,
     .end = 300,
     .want = {[LEDGER_START] = 1200000, [LEDGER_END] = 300000}},
    {.what = "nothing, not even time"},
    {.what = "steps and their loss",
     .steps = {{.wall = 20000, .loss = 0, .warming = true},
               {.wall = 20000, .loss = 3000},
               {.wall = 21000, .loss = 4000, .gap = 500}},
     .usual = 20000,
     .start = 10,
     .run = 100,
     .end = 7,
     .earlier = 90000,
     .want = {[LEDGER_WARMUP] = 20000,
              [LEDGER_PRODUCTIVE] = 34000,
              [LEDGER_STRAGGLER] = 7000,
              [LEDGER_START] = 10000,
              [LEDGER_END] = 7000,
              [LEDGER_RESTART] = 90 * S}},
    {.what = "kinds of special steps",
     .steps = {{.wall = 100, .flags = SPECIAL | STEPREC_CHECKPOINT, .loss = 50},
               {.wall = 200, .flags = SPECIAL | STEPREC_EVALUATION},
               {.wall = 400, .flags = SPECIAL},
               {.wall = 800, .flags = SPECIAL | STEPREC_CHECKPOINT, .warming = true}},
     .run = 2,
     .want = {[LEDGER_CHECKPOINT] = 900,
              [LEDGER_EVALUATION] = 200,
              [LEDGER_SPECIAL] = 400}},
    {.what = "a step that was done before is rolled back, whatever it is",
     .steps = {{.wall = 100, .loss = 10},
               {.wall = 100, .repeated = true, .warming = true, .attempt = 1},
               {.wall = 150, .repeated = true, .loss = 90, .attempt = 1},
               {.wall = 70,
                .repeated = true,
                .flags = SPECIAL | STEPREC_CHECKPOINT,
                .attempt = 1}},
     .run = 1,
     .want = {[LEDGER_PRODUCTIVE] = 90,
              [LEDGER_STRAGGLER] = 10,
              [LEDGER_ROLLED_BACK] = 320}},
    {.what = "a step that few ranks reported has no loss that is known",
     .steps = {{.wall = 100, .loss = 60, .few = true}},
     .run = 1,
     .want = {[LEDGER_PRODUCTIVE] = 100}},
    {.what = "a loss above the lead's wall",
     .steps = {{.wall = 100, .loss = 160}},
     .run = 1,
     .want = {[LEDGER_STRAGGLER] = 100}},
    {.what = "a hang between steps",
     .steps = {{.wall = 20000}, {.wall = 20000, .gap = 45 * S}},
     .usual = 20000,
     .run = 60000,
     .want = {[LEDGER_PRODUCTIVE] = 40000, [LEDGER_HANG] = 45 * S},
     .hangs = 1},
    {.what = "25 s are no hang",
     .steps = {{.wall = 20000}, {.wall = 20000, .gap = 25 * S}},
     .usual = 20000,
     .run = 60000,
     .want = {[LEDGER_PRODUCTIVE] = 40000}},
    {.what = "19 long steps are no hang",
     .steps = {{.wall = 3000000}, {.wall = 3000000, .gap = 57 * S}},
     .usual = 3e6,
     .run = 70000,
     .want = {[LEDGER_PRODUCTIVE] = 6000000}},
    {.what = "a hang before a usual step is known",
     .steps = {{.wall = 20000, .warming = true},
               {.wall = 20000, .warming = true, .gap = 31 * S}},
     .usual = 0,
     .run = 60000,
     .want = {[LEDGER_WARMUP] = 40000, [LEDGER_HANG] = 31 * S},
     .hangs = 1},
    {.what = "a usual step that is not a number",
     .steps = {{.wall = 20000}, {.wall = 20000, .gap = 31 * S}},
     .usual = NAN,
     .run = 60000,
     .want = {[LEDGER_PRODUCTIVE] = 40000, [LEDGER_HANG] = 31 * S},
     .hangs = 1},
    {.what = "a hang inside a step, and nobody to wait for",
     .steps = {{.wall = 20000}, {.wall = 40000000, .loss = 1000}},
     .usual = 20000,
     .run = 60000,
     .want = {[LEDGER_PRODUCTIVE] = 40000,
              [LEDGER_STRAGGLER] = 1000,
              [LEDGER_HANG] = 40 * S - 21000},
     .hangs = 1},
    {.what = "a rank that hangs is a straggler",
     .steps = {{.wall = 20000}, {.wall = 40000000, .loss = 39980000}},
     .usual = 20000,
     .run = 60000,
     .want = {[LEDGER_PRODUCTIVE] = 40000, [LEDGER_STRAGGLER] = 39980000}},
    {.what = "the time between attempts is no hang",
     .steps = {{.wall = 20000}, {.wall = 20000, .gap = 45 * S, .attempt = 1}},
     .usual = 20000,
     .run = 60000,
     .want = {[LEDGER_PRODUCTIVE] = 40000}},
    {.what = "another lead: another clock",
     .steps = {{.wall = 20000},
               {.wall = 20000, .lead = 5, .jump = 90000 * (int64_t)S},
               {.wall = 20000, .lead = 0, .jump = -89990 * (int64_t)S},
               {.wall = 20000, .lead = 0}},
     .usual = 20000,
     .run = 90,
     .want = {[LEDGER_PRODUCTIVE] = 80000}},
    {.what = "a clock that goes back",
     .steps = {{.wall = 20000, .gap = 100 * S},
               {.wall = 20000, .jump = -60 * (int64_t)S}},
     .usual = 20000,
     .run = 50,
     .want = {[LEDGER_PRODUCTIVE] = 40000}},
    {.what = "a clock that jumps ahead: no more than the time that there was",
     .steps = {{.wall = 20000}, {.wall = 20000, .jump = 3600 * (int64_t)S}},
     .usual = 20000,
     .run = 50,
     .want = {[LEDGER_PRODUCTIVE] = 40000, [LEDGER_HANG] = 10000},
     .hangs = 1},
    {.what = "steps that come to more than the phase, by rounding",
     .steps = {{.wall = 10600, .loss = 300}, {.wall = 10700, .loss = 200}},
     .run = 21,
     .want = {[LEDGER_PRODUCTIVE] = 20500, [LEDGER_STRAGGLER] = 500}},
    {.what = "a phase that no one timed",
     .steps = {{.wall = 10600, .loss = 300}, {.wall = 10600, .gap = 40 * S}},
     .start = 3,
     .run = 0,
     .want = {[LEDGER_START] = 3000}},
    {.what = "times without end",
     .steps = {{.wall = UINT32_MAX, .gap = UINT32_MAX}},
     .start = 1,
     .run = 1,
     .want = {[LEDGER_HANG] = 0, [LEDGER_PRODUCTIVE] = 0, [LEDGER_START] = 1000},
     .hangs = OVERRUN},
};

static void say_step(struct ledger *l, const struct say *s, uint64_t *at_us,
                     double usual)
{
    *at_us += s->gap + s->wall + (uint64_t)s->jump;
    struct steps_closed c = {.attempt = s->attempt,
                             .loss = s->loss,
                             .lead = s->lead,
                             .lead_wall = s->wall,
                             .lead_end_ns = *at_us * NS,
                             .flags = s->flags,
                             .warming = s->warming,
                             .repeated = s->repeated,
                             .enough = !s->few,
                             .counted = !s->few && !s->flags && !s->warming};
    ledger_step(l, &c, usual);
}

static uint64_t sum_of(const struct ledger *l)
{
    uint64_t sum = 0;
    for (int r = 0; r < LEDGER_ROWS; r++)
        sum += l->us[r];
    return sum;
}

static void check_rows(const struct row *t, const struct ledger *l)
{
    uint64_t inside = 0;
    for (int r = 0; r < LEDGER_ROWS; r++) {
        bool phase = r == LEDGER_START || r == LEDGER_END || r == LEDGER_RESTART;
        if (r == LEDGER_OUTSIDE || t->hangs == OVERRUN)
            continue;
        inside += phase ? 0 : l->us[r];
        if (l->us[r] != t->want[r])
            fail_msg("%s: %s is %llu us, not %llu", t->what, ledger_name(r),
                     (unsigned long long)l->us[r], (unsigned long long)t->want[r]);
    }
    if (t->hangs == OVERRUN)
        return;
    assert_int_equal(l->us[LEDGER_OUTSIDE], t->run * 1000 - inside);
    if (l->hangs != t->hangs)
        fail_msg("%s: %llu hangs", t->what, (unsigned long long)l->hangs);
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const struct row *t = &table[i];
        struct ledger l;
        uint64_t at = 1000 * S;
        ledger_init(&l);
        for (size_t k = 0; k < sizeof t->steps / sizeof *t->steps && t->steps[k].wall;
             k++)
            say_step(&l, &t->steps[k], &at, t->usual);
        ledger_close(&l, t->start, t->run, t->end, t->earlier);
        check_rows(t, &l);
        if (sum_of(&l) != (t->start + t->run + t->end + t->earlier) * 1000)
            fail_msg("%s: the rows come to %llu us", t->what,
                     (unsigned long long)sum_of(&l));
    }
}

/* Whatever comes, the sum is that of the phases. */
static void test_random_streams_sum_up(void **state)
{
    (void)state;
    uint32_t x = 20261122;
    for (int run = 0; run < 500; run++) {
        struct ledger l;
        uint64_t at = 0, ms[4];
        ledger_init(&l);
        for (int k = 0; k < 50; k++) {
            uint32_t v[6];
            for (int j = 0; j < 6; j++)
                v[j] = x = x * 1664525 + 1013904223;
            struct say s = {.wall = v[0] >> (v[1] >> 27),
                            .loss = v[1] >> (v[2] >> 27),
                            .gap = v[2] >> (v[3] >> 28),
                            .flags = (uint16_t)(v[3] >> 16),
                            .warming = v[4] >> 30 == 0,
                            .repeated = v[4] >> 28 == 5,
                            .few = v[5] >> 29 == 1,
                            .lead = v[4] >> 29,
                            .attempt = (uint32_t)k / 20,
                            .jump = (int32_t)v[5]};
            say_step(&l, &s, &at, run % 3 ? 20000 : 0);
        }
        for (int j = 0; j < 4; j++)
            ms[j] = (x = x * 1664525 + 1013904223) >> (run % 20);
        ledger_close(&l, ms[0], ms[1], ms[2], ms[3]);
        assert_true(sum_of(&l) == (ms[0] + ms[1] + ms[2] + ms[3]) * 1000);
    }
}

/* As steps.c tells it: the lead changes when the lowest rank says nothing. */
static void on_closed(void *arg, const struct steps_closed *c)
{
    ledger_step(arg, c, 1000);
}

static void test_with_real_steps(void **state)
{
    (void)state;
    struct ledger l;
    struct steps_ops ops = {.closed = on_closed, .arg = &l};
    struct steps *s;
    ledger_init(&l);
    assert_int_equal(steps_create(2, 2, &ops, &s), 0);
    for (uint32_t step = 1; step <= 10; step++) {
        for (uint32_t rank = 0; rank < 2; rank++) {
            struct steprec r = {.rank = rank,
                                .step = step,
                                .wall_us = 1000,
                                .wait_us = rank ? 0 : 200,
                                .t_end_ns = step * UINT64_C(1000000)};
            steps_add(s, &r, step);
        }
    }
    steps_finish(s);
    steps_destroy(s);
    ledger_close(&l, 0, 12, 0, 0);
    assert_int_equal(l.us[LEDGER_WARMUP], 2000);
    assert_int_equal(l.us[LEDGER_STRAGGLER], 8 * 200);
    assert_int_equal(l.us[LEDGER_PRODUCTIVE], 8 * 800);
    assert_int_equal(l.us[LEDGER_OUTSIDE], 2000);
}

static void test_goodput(void **state)
{
    (void)state;
    struct ledger l;
    ledger_init(&l);
    assert_true(isnan(ledger_goodput(&l)));
    l.us[LEDGER_OUTSIDE] = 5;
    assert_true(isnan(ledger_goodput(&l)));
    l.us[LEDGER_WARMUP] = 5;
    assert_true(ledger_goodput(&l) == 0);
    l.us[LEDGER_PRODUCTIVE] = 30;
    assert_true(fabs(ledger_goodput(&l) - 0.75) < 1e-12);
}

static void test_names(void **state)
{
    (void)state;
    for (int a = 0; a < LEDGER_ROWS; a++) {
        assert_true(*ledger_name(a) && *ledger_phrase(a));
        for (int b = 0; b < a; b++)
            assert_string_not_equal(ledger_name(a), ledger_name(b));
    }
}

static void test_cost(void **state)
{
    (void)state;
    static const struct {
        struct cost c;
        double us, hours, money;
    } cases[] = {
        {{.devices = 8, .device_hour = 2.5}, 3600e6, 8, 20},
        {{.devices = 4, .device_hour = 3}, 1.3e6, 4 * 1.3 / 3600, 12 * 1.3 / 3600},
        {{.devices = 4}, 3600e6, 4, 0},
        {{.devices = 0, .device_hour = 3}, 3600e6, 0, 0},
        {{.devices = 4, .device_hour = 3}, -1, 0, 0},
        {{.devices = 4, .device_hour = 3}, NAN, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(fabs(cost_hours(&cases[i].c, cases[i].us) - cases[i].hours) < 1e-9);
        assert_true(fabs(cost_money(&cases[i].c, cases[i].us) - cases[i].money) < 1e-9);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_random_streams_sum_up),
        cmocka_unit_test(test_with_real_steps),
        cmocka_unit_test(test_goodput),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
