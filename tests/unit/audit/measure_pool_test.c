/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/audit/measure_pool.h"
#include "proto/base/clock.h"
#include "proto/base/limits.h"

#define MS    1000000u
#define CROWD 64u

/* Up to n CPUs of ours; there may be one alone. */
static size_t ours(uint32_t *cpus, size_t n)
{
    cpu_set_t set;
    size_t found = 0;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    for (uint32_t i = 0; i < CPU_SETSIZE && found < n; i++)
        if (CPU_ISSET(i, &set))
            cpus[found++] = i;
    return found;
}

struct turn {
    struct measure_pool *pool;
    atomic_uint calls[CROWD], elsewhere, early, others;
};

static void job(void *arg, size_t worker, uint64_t start_ns, uint64_t end_ns)
{
    struct turn *t = arg;
    cpu_set_t set;
    atomic_fetch_add(&t->calls[worker], 1);
    if ((uint32_t)sched_getcpu() != measure_pool_cpu(t->pool, worker))
        atomic_fetch_add(&t->elsewhere, 1);
    if (sched_getaffinity(0, sizeof set, &set) < 0 || CPU_COUNT(&set) != 1)
        atomic_fetch_add(&t->others, 1);
    if (end_ns < start_ns)
        atomic_fetch_add(&t->early, 1);
    while (clock_mono_ns() < end_ns)
        ;
}

/* More workers than CPUs: they take turns, and none is forgotten. */
static void test_turns(void **state)
{
    (void)state;
    uint32_t cpus[CROWD], mine[2];
    size_t n = ours(mine, 2);
    bool who[CROWD] = {false};
    struct turn t = {.pool = NULL};
    for (size_t i = 0; i < CROWD; i++)
        cpus[i] = mine[i % n];
    assert_int_equal(measure_pool_create(cpus, CROWD, &t.pool, NULL), 0);
    assert_int_equal(measure_pool_n(t.pool), CROWD);
    measure_pool_run(t.pool, NULL, job, &t, 5 * MS, NULL, NULL);
    who[3] = who[60] = true;
    measure_pool_run(t.pool, who, job, &t, 0, NULL, NULL);
    memset(who, 0, sizeof who);
    measure_pool_run(t.pool, who, job, &t, 5 * MS, NULL, NULL); /* nobody */
    for (size_t i = 0; i < CROWD; i++)
        assert_int_equal(atomic_load(&t.calls[i]), i == 3 || i == 60 ? 2 : 1);
    assert_int_equal(atomic_load(&t.elsewhere), 0);
    assert_int_equal(atomic_load(&t.others), 0);
    assert_int_equal(atomic_load(&t.early), 0);
    measure_pool_destroy(t.pool);
}

/* Who is not asked may wake when all is over, and what was asked is no longer there. */
static void test_waking_late(void **state)
{
    (void)state;
    uint32_t cpus[CROWD];
    bool who[CROWD];
    struct turn t = {.pool = NULL};
    ours(cpus, 1);
    for (size_t i = 1; i < CROWD; i++)
        cpus[i] = cpus[0];
    assert_int_equal(measure_pool_create(cpus, CROWD, &t.pool, NULL), 0);
    for (unsigned n = 0; n < 200; n++) {
        memset(who, 0, sizeof who);
        who[0] = true;
        measure_pool_run(t.pool, who, job, &t, 0, NULL, NULL);
        memset(who, 1, sizeof who);
        sched_yield();
    }
    assert_int_equal(atomic_load(&t.calls[0]), 200);
    for (size_t i = 1; i < CROWD; i++)
        assert_int_equal(atomic_load(&t.calls[i]), 0);
    measure_pool_destroy(t.pool);
}

static void tick(void *arg)
{
    atomic_fetch_add((atomic_uint *)arg, 1);
}

static void test_tick(void **state)
{
    (void)state;
    struct turn t = {.pool = NULL};
    atomic_uint ticks = 0;
    uint32_t cpu;
    ours(&cpu, 1);
    assert_int_equal(measure_pool_create(&cpu, 1, &t.pool, NULL), 0);
    measure_pool_run(t.pool, NULL, job, &t, 3ull * MEASURE_POOL_TICK_MS * MS, tick,
                     &ticks);
    assert_true(atomic_load(&ticks) >= 1);
    measure_pool_destroy(t.pool);
}

static sem_t held, let_go;
static atomic_uint holding;

static void hold(int number)
{
    (void)number;
    atomic_fetch_add(&holding, 1);
    (void)sem_post(&held);
    while (sem_wait(&let_go) < 0)
        ;
    atomic_fetch_sub(&holding, 1);
}

/* Up to `most` threads but this one, as if a real-time process had their CPUs for itself. */
static unsigned hold_workers(unsigned most)
{
    unsigned n = 0;
    DIR *d = opendir("/proc/self/task");
    assert_non_null(d);
    for (struct dirent *at; n < most && (at = readdir(d));) {
        long tid = strtol(at->d_name, NULL, 10);
        if (tid > 0 && tid != getpid() &&
            syscall(SYS_tgkill, getpid(), tid, SIGUSR1) == 0)
            n++;
    }
    closedir(d);
    for (unsigned i = 0; i < n; i++)
        while (sem_wait(&held) < 0)
            ;
    return n;
}

static unsigned count_threads(void)
{
    unsigned n = 0;
    DIR *d = opendir("/proc/self/task");
    assert_non_null(d);
    for (struct dirent *at; (at = readdir(d));)
        n += at->d_name[0] != '.';
    closedir(d);
    return n;
}

/* All of them: one that is held again must not take another's leave. */
static void let_workers_go(unsigned n)
{
    while (n-- > 0)
        (void)sem_post(&let_go);
    while (atomic_load(&holding) > 0)
        (void)usleep(1000);
}

/* The next test must not meet them. */
static void await_workers_end(void)
{
    while (count_threads() > 1)
        (void)usleep(1000);
}

/* Two workers on one CPU, each of whom can be held. */
static struct measure_pool *two_workers(void)
{
    struct sigaction act = {.sa_handler = hold, .sa_flags = SA_RESTART};
    struct measure_pool *p = NULL;
    uint32_t cpus[2];
    ours(cpus, 1);
    cpus[1] = cpus[0];
    (void)sem_init(&held, 0, 0);
    (void)sem_init(&let_go, 0, 0);
    assert_int_equal(sigaction(SIGUSR1, &act, NULL), 0);
    assert_int_equal(measure_pool_create(cpus, 2, &p, NULL), 0);
    return p;
}

/* A worker that never gets its CPU keeps nobody waiting, and finds nothing to do if it gets
 * it after all. */
static void test_a_cpu_that_is_never_free(void **state)
{
    (void)state;
    struct turn t = {.pool = two_workers()};
    measure_pool_run(t.pool, NULL, job, &t, 0, NULL, NULL);
    assert_int_equal(hold_workers(2), 2);
    measure_pool_run(t.pool, NULL, job, &t, 5 * MS, NULL, NULL);
    assert_int_equal(atomic_load(&t.calls[0]) + atomic_load(&t.calls[1]), 2);
    let_workers_go(2);
    measure_pool_run(t.pool, NULL, job, &t, 5 * MS, NULL, NULL);
    assert_int_equal(hold_workers(2), 2);
    measure_pool_destroy(t.pool); /* they end when they can */
    assert_int_equal(atomic_load(&t.calls[0]) + atomic_load(&t.calls[1]), 2);
    let_workers_go(2);
    await_workers_end();
}

/* Nor does it keep those waiting who have theirs, turn after turn. */
static void test_one_of_two_is_never_free(void **state)
{
    (void)state;
    struct turn t = {.pool = two_workers()};
    measure_pool_run(t.pool, NULL, job, &t, 0, NULL, NULL);
    assert_int_equal(hold_workers(1), 1);
    for (unsigned i = 0; i < 5; i++)
        measure_pool_run(t.pool, NULL, job, &t, 0, NULL, NULL);
    unsigned first = atomic_load(&t.calls[0]), other = atomic_load(&t.calls[1]);
    assert_int_equal(first + other, 7);
    assert_true(first == 1 || other == 1);
    measure_pool_destroy(t.pool);
    let_workers_go(1);
    await_workers_end();
}

/* Ours, then one that no machine has, then one that there cannot be. */
static void test_cpus_that_are_not_there(void **state)
{
    (void)state;
    uint32_t cpus[] = {0, LIMIT_CPUS - 1, UINT32_MAX};
    struct measure_pool *p;
    struct err e;
    ours(cpus, 1);
    assert_int_equal(measure_pool_create(cpus, 3, &p, &e), 0);
    assert_int_equal(measure_pool_n(p), 1);
    assert_int_equal(measure_pool_cpu(p, 0), cpus[0]);
    measure_pool_destroy(p);
    assert_true(measure_pool_create(cpus + 1, 2, &p, &e) < 0);
    assert_true(measure_pool_create(cpus, 0, &p, &e) < 0);
    measure_pool_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_waking_late),
        cmocka_unit_test(test_tick),
        cmocka_unit_test(test_a_cpu_that_is_never_free),
        cmocka_unit_test(test_one_of_two_is_never_free),
        cmocka_unit_test(test_cpus_that_are_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
