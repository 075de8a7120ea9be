/* SPDX-License-Identifier: MIT */
/* Measuring on this machine. How fast it is and how much is found is not asserted: it may
 * be busy, small, or a guest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/audit/measure.h"
#include "proto/base/limits.h"

#define HOG   "hog )\033[1m("
#define TRIES 40

struct told {
    unsigned n, last;
    bool nonsense;
};

static void on_progress(void *arg, const char *what, unsigned percent)
{
    struct told *t = arg;
    t->n++;
    t->nonsense = t->nonsense || !*what || percent > 100 || percent < t->last;
    t->last = percent;
}

static void check_cores(const Aolani__AuditMeasured *m, const cpu_set_t *mask)
{
    for (size_t i = 0; i < m->n_cores; i++) {
        const Aolani__AuditCore *c = m->cores[i];
        assert_true(c->cpu < CPU_SETSIZE && CPU_ISSET(c->cpu, mask));
        assert_true(c->window_ns > 0);
        assert_true(c->lost_ns <= c->window_ns);
        assert_true(c->stolen_ns >= -1 && c->preempted_ns >= -1);
        uint64_t stolen = c->stolen_ns > 0 ? (uint64_t)c->stolen_ns : 0;
        uint64_t preempted = c->preempted_ns > 0 ? (uint64_t)c->preempted_ns : 0;
        assert_true(stolen + preempted <= c->lost_ns);
        assert_true((c->gaps == 0) == (c->longest_ns == 0));
        assert_true(i == 0 || m->cores[i - 1]->cpu < c->cpu);
    }
}

static void check_rest(const Aolani__AuditMeasured *m)
{
    const Aolani__AuditCost *costs[] = {m->exit, m->clock};
    for (size_t i = 0; i < 2; i++)
        if (costs[i])
            assert_true(costs[i]->least <= costs[i]->median &&
                        costs[i]->median <= costs[i]->p99);
    for (size_t i = 0; i < m->n_memory; i++) {
        assert_true(m->memory[i]->numa < LIMIT_NUMA);
        assert_true((m->memory[i]->all_mbytes == 0) == (m->memory[i]->cores == 0));
    }
    for (size_t i = 0; i < m->n_busy; i++) {
        assert_int_not_equal(m->busy[i]->pid, getpid());
        assert_true(i == 0 || m->busy[i - 1]->percent >= m->busy[i]->percent);
        for (const char *at = m->busy[i]->name; *at; at++)
            assert_true((unsigned char)*at >= ' ');
    }
    for (size_t i = 0; i < m->n_notes; i++)
        print_message("note: %s\n", m->notes[i]);
}

/* Less than the least is the least; what there is no time for is noted. */
static void test_budgets(void **state)
{
    (void)state;
    static const uint64_t budgets[] = {0, MEASURE_LEAST_MS, 1500};
    cpu_set_t before, after;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    for (size_t i = 0; i < sizeof budgets / sizeof *budgets; i++) {
        struct told t = {.n = 0};
        Aolani__AuditMeasured *m;
        struct err e;
        if (measure_run(budgets[i], on_progress, &t, &m, &e) < 0)
            fail_msg("%s", e.text);
        assert_true(t.n > 0);
        assert_false(t.nonsense);
        check_cores(m, &before);
        check_rest(m);
        assert_true(aolani__audit_measured__get_packed_size(m) < LIMIT_FRAME);
        aolani__audit_measured__free_unpacked(m, NULL);
    }
    assert_int_equal(sched_getaffinity(0, sizeof after, &after), 0);
    assert_true(CPU_EQUAL(&before, &after));
}

static void test_one_cpu_of_a_mask(void **state)
{
    (void)state;
    cpu_set_t was, one;
    Aolani__AuditMeasured *m;
    int cpu = 0;
    assert_int_equal(sched_getaffinity(0, sizeof was, &was), 0);
    while (!CPU_ISSET(cpu, &was))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(measure_run(MEASURE_LEAST_MS, NULL, NULL, &m, NULL), 0);
    assert_int_equal(sched_setaffinity(0, sizeof was, &was), 0);
    check_cores(m, &one);
    assert_true(m->n_memory <= 1);
    aolani__audit_measured__free_unpacked(m, NULL);
}

static _Noreturn void burn(pid_t parent)
{
    (void)prctl(PR_SET_NAME, HOG);
    (void)alarm(60); /* whatever becomes of the test */
    for (;;)
        if (getppid() != parent)
            _exit(0);
}

static bool has(const Aolani__AuditMeasured *m, pid_t pid)
{
    for (size_t i = 0; i < m->n_busy; i++)
        if (m->busy[i]->pid == pid) {
            assert_string_equal(m->busy[i]->name, "hog )?[1m(");
            assert_int_equal(m->busy[i]->uid, getuid());
            assert_true(m->busy[i]->percent > 0);
            return true;
        }
    return false;
}

/* What we started is of the audit; what another one did is found, when the scheduler has
 * let it run. Here it measures, in a child, and the hog is its parent's. */
static void test_a_busy_neighbour(void **state)
{
    (void)state;
    pid_t self = getpid(), hog = fork(), own;
    if (hog == 0)
        burn(self);
    assert_true(hog > 0);
    pid_t child = fork();
    if (child == 0) {
        pid_t me = getpid();
        if ((own = fork()) == 0)
            burn(me);
        bool found = false;
        for (int i = 0; own > 0 && !found && i < TRIES; i++) {
            Aolani__AuditMeasured *m;
            if (measure_run(MEASURE_LEAST_MS, NULL, NULL, &m, NULL) < 0)
                break;
            found = has(m, hog);
            if (has(m, own))
                _exit(2);
            aolani__audit_measured__free_unpacked(m, NULL);
        }
        if (own > 0)
            (void)kill(own, SIGKILL);
        _exit(found ? 0 : 1);
    }
    int status;
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(kill(hog, SIGKILL), 0);
    assert_int_equal(waitpid(hog, NULL, 0), hog);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_budgets),
        cmocka_unit_test(test_one_cpu_of_a_mask),
        cmocka_unit_test(test_a_busy_neighbour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
