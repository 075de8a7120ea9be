/* SPDX-License-Identifier: MIT */
/* The probe on this machine, and where it may run. What it measures is not asserted: a busy
 * machine may spoil all of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sched.h>
#include <stdlib.h>

#include "agent/probe.h"

struct fixture {
    struct loop *loop;
    unsigned n;
    Aolani__Probe found;
};

static void on_probe(void *arg, const Aolani__Probe *found)
{
    struct fixture *f = arg;
    f->n++;
    if (found)
        f->found = *found;
    loop_stop(f->loop);
}

static void test_twice(void **state)
{
    (void)state;
    struct fixture f = {.n = 0};
    struct probe *p;
    cpu_set_t before, after;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    int cpu = 0;
    while (!CPU_ISSET(cpu, &before))
        cpu++;
    assert_int_equal(loop_create(&f.loop, NULL), 0);
    assert_int_equal(probe_create(f.loop, cpu, on_probe, &f, &p, NULL), 0);
    for (unsigned i = 1; i <= 2; i++) {
        probe_start(p);
        assert_int_equal(f.n, i - 1);
        loop_run(f.loop);
        assert_int_equal(f.n, i);
        print_message("%llu MB/s, exit %llu ns, fault %llu ns\n",
                      (unsigned long long)f.found.triad_mbytes,
                      (unsigned long long)f.found.exit_ns,
                      (unsigned long long)f.found.fault_ns);
        assert_true(f.found.triad_mbytes < 10000000);
    }
    assert_int_equal(sched_getaffinity(0, sizeof after, &after), 0);
    assert_true(CPU_EQUAL(&before, &after));
    probe_start(p);
    probe_destroy(p); /* under way */
    probe_destroy(NULL);
    loop_destroy(f.loop);
}

static void test_where(void **state)
{
    (void)state;
    /* Two hardware threads a core: 0 and 4, 1 and 5, ... */
    uint32_t pus[4][2] = {{0, 4}, {1, 5}, {2, 6}, {3, 7}};
    Aolani__Core cores[4], *list[4];
    static const struct {
        const char *allowed, *ranks;
        int cpu;
    } table[] = {
        {"0-7", "0-1,4-5", 2}, {"0-7", "0-3", 4},   {"0-7", "0-2", 3},
        {"0-7", "0-7", -1},    {"0-7", "", -1},     {"0-3", "0-3", -1},
        {"2-3", "0-1", 2},     {"0-7", "4-7,0", 1}, {"0,9", "0", 9},
    };
    for (unsigned i = 0; i < 4; i++) {
        aolani__core__init(&cores[i]);
        cores[i].pus = pus[i];
        cores[i].n_pus = 2;
        list[i] = &cores[i];
    }
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct rankset allowed = {0}, ranks = {0};
        assert_int_equal(rankset_parse(&allowed, table[i].allowed, NULL), 0);
        assert_int_equal(rankset_parse(&ranks, table[i].ranks, NULL), 0);
        assert_int_equal(probe_choose_cpu(&allowed, &ranks, list, 4), table[i].cpu);
        rankset_fini(&allowed);
        rankset_fini(&ranks);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_twice),
        cmocka_unit_test(test_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
