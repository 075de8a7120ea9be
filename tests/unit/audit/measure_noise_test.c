/* SPDX-License-Identifier: MIT */
/* measure_noise_test.c - a CPU that goes away while it is measured: what its thread then
 * meets elsewhere is not said of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/audit/measure_noise.h"
#include "proto/base/clock.h"
#include "tests/lib/skipped.h"

#define MS 1000000u

/* The first two CPUs of ours; 1: there is but one. */
static size_t two_cpus(uint32_t cpus[2])
{
    cpu_set_t set;
    size_t n = 0;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    for (uint32_t i = 0; i < CPU_SETSIZE && n < 2; i++)
        if (CPU_ISSET(i, &set))
            cpus[n++] = i;
    return n;
}

/* As the kernel does with those of a CPU that is taken offline. */
static void drive_away(uint32_t from, uint32_t to)
{
    cpu_set_t there;
    DIR *d = opendir("/proc/self/task");
    assert_non_null(d);
    CPU_ZERO(&there);
    CPU_SET(to, &there);
    for (struct dirent *at; (at = readdir(d));) {
        cpu_set_t is;
        pid_t tid = (pid_t)strtol(at->d_name, NULL, 10);
        if (tid > 0 && tid != getpid() && sched_getaffinity(tid, sizeof is, &is) == 0 &&
            CPU_ISSET(from, &is))
            assert_int_equal(sched_setaffinity(tid, sizeof there, &there), 0);
    }
    closedir(d);
}

static void test_a_cpu_that_goes_away(void **state)
{
    (void)state;
    struct measuring r = {.what = ""};
    uint32_t cpus[2];
    if (two_cpus(cpus) < 2)
        skip_because("one CPU: there is nowhere to go");
    r.m = malloc(sizeof *r.m);
    assert_non_null(r.m);
    aolani__audit_measured__init(r.m);
    assert_int_equal(machine_open(NULL, &r.machine, NULL), 0);
    assert_int_equal(measure_pool_create(cpus, 2, &r.pool, NULL), 0);
    drive_away(cpus[1], cpus[0]);
    r.began_ns = clock_mono_ns();
    r.end_ns = r.began_ns + 300 * MS;
    measure_noise(&r, r.end_ns);
    assert_true(r.m->n_cores <= 1); /* the other one may never have been free */
    for (size_t i = 0; i < r.m->n_cores; i++)
        assert_int_equal(r.m->cores[i]->cpu, cpus[0]);
    assert_true(r.m->n_notes > 0);
    assert_non_null(strstr(r.m->notes[0], "not measured"));
    measure_pool_destroy(r.pool);
    machine_close(r.machine);
    aolani__audit_measured__free_unpacked(r.m, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_cpu_that_goes_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
