/* SPDX-License-Identifier: MIT */
/* Late steps that wait for what their nodes say of themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/lib/attribute_run.h"

static void where(void *arg, uint32_t rank, uint32_t *ret_node, const char **ret_cpus,
                  const char **ret_gpu, const char **ret_nic)
{
    (void)arg;
    *ret_node = rank / 2;
    *ret_cpus = rank % 2 ? "1" : "0";
    *ret_gpu = NULL;
    *ret_nic = NULL;
}

/* Node 0 said until then that half of CPU 1 was stolen, node 1 said nothing of that. */
static void say(struct signals *s, uint32_t node, uint64_t t_ns)
{
    struct err e;
    Aolani__CpuTime cpu = AOLANI__CPU_TIME__INIT, *cpus[] = {&cpu};
    Aolani__NodeSignals m = AOLANI__NODE_SIGNALS__INIT;
    cpu.cpu = 1;
    cpu.us = 500000;
    m.t_ns = t_ns;
    m.interval_ns = 1000000000;
    m.known = AOLANI__NODE_SIGNALS__KNOWN__STEAL;
    m.cpus = 2;
    m.steal_us = node == 0 ? 500000 : 0;
    m.n_steal = node == 0;
    m.steal = cpus;
    assert_int_equal(signals_add(s, node, &m, &e), 0);
}

struct signalled {
    struct run *r;
    struct signals *signals;
};

static struct signalled open_signalled(const struct planted *p, size_t n)
{
    struct signalled g = {.r = the_run()};
    struct stream s = quiet(4, p, n);
    struct attribute_ops ops = {
        .culprit = on_culprit, .spell = on_spell, .where = where, .arg = &g.r->heard};
    s.naps = 1;
    assert_int_equal(signals_create(2, &g.signals), 0);
    open_run(g.r, &s, 0, g.signals, &ops);
    return g;
}

static void close_signalled(struct signalled *g)
{
    close_run(g->r);
    signals_destroy(g->signals);
}

static void test_late_steps_wait_for_their_signals(void **state)
{
    (void)state;
    static const struct planted p[] = {{1, 100, 101, 1, PLANT_HIDDEN, 4000},
                                       {3, 101, 102, 1, PLANT_HIDDEN, 4000}};
    struct signalled g = open_signalled(p, 2);
    stream_run(&g.r->stream, g.r->steps, 0, 100);
    uint64_t from_ns = g.r->stream.clock_ns;
    stream_run(&g.r->stream, g.r->steps, 100, 102);
    uint64_t now_ms = g.r->stream.clock_ns / 1000000;
    attribute_tick(g.r->attribute, now_ms + 100);
    assert_int_equal(g.r->heard.n_culprits, 0);
    say(g.signals, 1,
        from_ns + 900000000); /* the second in line, it waits for its turn */
    attribute_tick(g.r->attribute, now_ms + 1000);
    assert_int_equal(g.r->heard.n_culprits, 0);
    say(g.signals, 0, from_ns + 900000000);
    attribute_tick(g.r->attribute, now_ms + 1000);
    assert_int_equal(g.r->heard.n_culprits, 2);
    assert_true(g.r->heard.culprits[0].rank == 1 && g.r->heard.culprits[1].rank == 3);
    /* That it was not asleep only its node could tell. */
    assert_int_equal(g.r->heard.culprits[0].excess.what, MECH_STOLEN);
    assert_int_equal(g.r->heard.culprits[1].excess.what, MECH_BLOCKED);
    end_run(g.r);
    close_signalled(&g);
}

static void test_no_step_waits_for_long(void **state)
{
    (void)state;
    static const struct planted p[] = {{1, 100, 101, 1, PLANT_HIDDEN, 4000}};
    struct signalled g = open_signalled(p, 1);
    stream_run(&g.r->stream, g.r->steps, 0, 101);
    uint64_t now_ms = g.r->stream.clock_ns / 1000000;
    attribute_tick(g.r->attribute, now_ms + ATTRIBUTE_WAIT_MS - 1);
    assert_int_equal(g.r->heard.n_culprits, 0);
    attribute_tick(g.r->attribute, now_ms + ATTRIBUTE_WAIT_MS);
    assert_int_equal(g.r->heard.n_culprits, 1);
    assert_int_equal(g.r->heard.culprits[0].excess.what, MECH_BLOCKED);
    end_run(g.r);
    close_signalled(&g);
}

static void test_the_line_is_bounded(void **state)
{
    (void)state;
    struct planted p = {1, 50, 7000, 1, PLANT_STOLEN, 4000};
    struct signalled g = open_signalled(&p, 1);
    for (uint32_t step = 0; step < 6000; step++) {
        stream_make(&g.r->stream, step);
        for (uint32_t i = 0; i < 4; i++)
            steps_add(g.r->steps, &g.r->stream.records[i], 1); /* no time goes by */
    }
    assert_true(g.r->heard.n_culprits >= 6000 - 50 - ATTRIBUTE_QUEUE);
    assert_true(g.r->heard.n_culprits <= 6000 - 50 - ATTRIBUTE_QUEUE + 5);
    assert_int_equal(g.r->heard.n_spells, 1); /* told behind what it is made of */
    end_run(g.r);
    assert_true(fabs(g.r->is.loss_us[MECH_STOLEN] - 5950 * 4000.) < 0.02 * 5950 * 4000);
    assert_true(fabs(g.r->is.spells[0].excess_us - 5950 * 4000.) < 0.02 * 5950 * 4000);
    close_signalled(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_late_steps_wait_for_their_signals),
        cmocka_unit_test(test_no_step_waits_for_long),
        cmocka_unit_test(test_the_line_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
