/* SPDX-License-Identifier: MIT */
/* Rounds on a loop, over copied trees, with a head that may have no credit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/folders.h"
#include "agent/nodesignals.h"
#include "tests/lib/tree.h"

enum { EVERY_MS = 20, MOST = 1000 };

struct fixture {
    struct loop *loop;
    struct loop_timer *timer;
    struct nodesignals *signals;
    struct gpuhelper *gpus;
    struct task task;
    Aolani__RankPlan rank, *ranks[1];
    Aolani__Prepare plan;
    Aolani__NodeInfo info;
    struct rankset allowed;
    struct upward up;
    char dir[64], helper[80];
    uint64_t quiet_ms, probe_ms;
    bool poor; /* no credit */
    Aolani__NodeSignals *got[MOST];
    unsigned n, refused;
};

static int64_t on_send(void *arg, enum message_type type, const ProtobufCMessage *m)
{
    struct fixture *f = arg;
    uint8_t bytes[65536];
    assert_int_equal(type, MSG_NODE_SIGNALS);
    if (f->poor) {
        f->refused++;
        return -EAGAIN;
    }
    size_t n = protobuf_c_message_pack(m, bytes);
    assert_true(f->n < MOST);
    assert_non_null(f->got[f->n] = aolani__node_signals__unpack(NULL, n, bytes));
    return ++f->n;
}

static void on_timer(void *arg)
{
    loop_stop(((struct fixture *)arg)->loop);
}

static void run_for(struct fixture *f, unsigned ms)
{
    loop_timer_start(f->timer, ms, 0);
    loop_run(f->loop);
}

static void run_until(struct fixture *f, unsigned n)
{
    for (unsigned i = 0; f->n < n && i < 3000; i++)
        run_for(f, 10);
    assert_true(f->n >= n);
}

/* Whole at once: a round may come at any moment. */
static void put(struct fixture *f, const char *path, const char *text)
{
    char name[100], from[200], to[200];
    (void)snprintf(name, sizeof name, "%s.new", path);
    tree_put(f->dir, name, text);
    (void)snprintf(from, sizeof from, "%s/%s", f->dir, name);
    (void)snprintf(to, sizeof to, "%s/%s", f->dir, path);
    assert_int_equal(rename(from, to), 0);
}

static void put_stat(struct fixture *f, unsigned steal)
{
    char text[256];
    (void)snprintf(text, sizeof text,
                   "cpu0 1 1 1 1 1 1 1 %u 0 0\ncpu1 1 1 1 1 1 1 1 5 0 0\n"
                   "intr 100\nsoftirq 100\n",
                   steal);
    put(f, "stat", text);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)strcpy(f->dir, "/tmp/aolani-signals-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->helper, sizeof f->helper, "%s/describe", f->dir);
    assert_int_equal(loop_create(&f->loop, NULL), 0);
    f->timer = loop_timer_create(f->loop, on_timer, f);
    f->up = (struct upward){.send = on_send, .arg = f};
    aolani__rank_plan__init(&f->rank);
    aolani__prepare__init(&f->plan);
    aolani__node_info__init(&f->info);
    f->rank.cpus = (char *)"0";
    f->ranks[0] = &f->rank;
    f->plan.ranks = f->ranks;
    f->plan.n_ranks = 1;
    f->task.state = TASK_RUNNING;
    f->probe_ms = 3600000;
    assert_int_equal(rankset_parse(&f->allowed, "0-1", NULL), 0);
    put_stat(f, 10);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    nodesignals_destroy(f->signals);
    gpuhelper_destroy(f->gpus);
    loop_timer_destroy(f->timer);
    loop_destroy(f->loop);
    rankset_fini(&f->allowed);
    for (unsigned i = 0; i < f->n; i++)
        aolani__node_signals__free_unpacked(f->got[i], NULL);
    assert_int_equal(folders_remove_tree(f->dir, NULL), 0);
    free(f);
    return 0;
}

static void begin(struct fixture *f)
{
    struct nodesignals_config c = {.loop = f->loop,
                                   .up = &f->up,
                                   .plan = &f->plan,
                                   .tasks = &f->task,
                                   .n_tasks = 1,
                                   .allowed = &f->allowed,
                                   .info = &f->info,
                                   .gpus = f->gpus,
                                   .proc = f->dir,
                                   .sys = f->dir,
                                   .reopen = true,
                                   .steal_is_told = true,
                                   .every_ms = EVERY_MS,
                                   .probe_ms = f->probe_ms,
                                   .quiet_ms = f->quiet_ms};
    struct err e;
    assert_int_equal(nodesignals_create(&c, &f->signals, &e), 0);
}

static uint64_t all_steal(const struct fixture *f)
{
    uint64_t us = 0;
    for (unsigned i = 0; i < f->n; i++)
        us += f->got[i]->steal_us;
    return us;
}

/* One after the other: no gap and no overlap. */
static void check_times(const struct fixture *f)
{
    for (unsigned i = 1; i < f->n; i++)
        assert_int_equal(f->got[i]->t_ns - f->got[i]->interval_ns, f->got[i - 1]->t_ns);
}

static void test_rounds(void **state)
{
    struct fixture *f = *state;
    f->task.pid = getpid(); /* whose group may have a quota: not in the other tests */
    put(f, "class/infiniband/mlx5_0/ports/1/counters/link_downed", "1\n");
    begin(f);
    assert_int_equal(f->n, 0);
    run_until(f, 2);
    put_stat(f, 17);
    put(f, "class/infiniband/mlx5_0/ports/1/counters/link_downed", "3\n");
    run_until(f, f->n + 2);
    nodesignals_finish(f->signals);
    check_times(f);
    assert_int_equal(all_steal(f), 70000);
    int64_t downs = 0;
    for (unsigned i = 0; i < f->n; i++) {
        const Aolani__NodeSignals *m = f->got[i];
        assert_int_equal(m->cpus, 1); /* those of the plan */
        assert_true(m->known & AOLANI__NODE_SIGNALS__KNOWN__STEAL);
        assert_true(m->known & AOLANI__NODE_SIGNALS__KNOWN__PORTS);
        assert_false(m->known & AOLANI__NODE_SIGNALS__KNOWN__PSI);
        assert_int_equal(m->n_ports, 1);
        downs += m->ports[0]->downs;
        for (size_t k = 0; k < m->n_steal; k++)
            assert_int_equal(m->steal[k]->cpu, 0);
    }
    assert_int_equal(downs, 2);
}

static void test_without_credit_nothing_is_lost(void **state)
{
    struct fixture *f = *state;
    f->poor = true;
    begin(f);
    for (unsigned i = 1; i <= 5; i++) {
        put_stat(f, 10 + i);
        unsigned before = f->refused;
        for (unsigned k = 0; f->refused < before + 2 && k < 3000; k++)
            run_for(f, 10);
    }
    assert_int_equal(f->n, 0);
    f->poor = false;
    run_until(f, 1);
    nodesignals_finish(f->signals);
    check_times(f);
    assert_int_equal(all_steal(f), 50000);
    assert_true(f->got[0]->interval_ns >= 5ull * EVERY_MS * 1000000);
}

static void test_quiet_ones_wait(void **state)
{
    struct fixture *f = *state;
    f->quiet_ms = 3600000;
    begin(f);
    run_for(f, 10 * EVERY_MS);
    assert_int_equal(f->n, 0);
    put_stat(f, 11);
    run_until(f, 2); /* what was held, and the news by itself */
    assert_int_equal(f->got[0]->steal_us, 0);
    assert_int_equal(f->got[1]->steal_us, 10000);
    run_for(f, 5 * EVERY_MS);
    assert_int_equal(f->n, 2);
    nodesignals_finish(f->signals);
    assert_true(f->n >= 3);
    check_times(f);
}

static void test_quiet_ones_wait_no_longer(void **state)
{
    struct fixture *f = *state;
    f->quiet_ms = 5 * EVERY_MS;
    begin(f);
    run_until(f, 2);
    for (unsigned i = 0; i < 2; i++)
        assert_true(f->got[i]->interval_ns >= f->quiet_ms * 1000000);
}

static void test_finish_at_once(void **state)
{
    struct fixture *f = *state;
    begin(f);
    put_stat(f, 12);
    usleep(5000);
    nodesignals_finish(f->signals);
    assert_int_equal(f->n, 1);
    assert_int_equal(f->got[0]->steal_us, 20000);
    nodesignals_finish(f->signals);
    run_for(f, 3 * EVERY_MS); /* no round comes any more */
    assert_true(f->n <= 2);
}

static void test_a_rank_that_is_not_bound(void **state)
{
    struct fixture *f = *state;
    f->rank.cpus = (char *)"";
    begin(f);
    run_until(f, 1);
    assert_int_equal(f->got[0]->cpus, 2);
}

static void test_probes(void **state)
{
    struct fixture *f = *state;
    unsigned probes = 0;
    f->probe_ms = 10;
    begin(f);
    for (unsigned i = 0; probes == 0 && i < 3000; i++) {
        run_for(f, 10);
        probes = 0;
        for (unsigned k = 0; k < f->n; k++)
            probes += f->got[k]->probe != NULL;
    }
    assert_true(probes > 0);
}

/* ---- GPUs: a helper that is a script */

static void start_helper(struct fixture *f, bool with_signals, const char *script)
{
    Aolani__GpuSample s = AOLANI__GPU_SAMPLE__INIT;
    Aolani__GpuSignal g = AOLANI__GPU_SIGNAL__INIT, *signals[] = {&g};
    uint8_t bytes[256];
    g.uuid = (char *)"GPU-a";
    g.power_us = 900;
    s.n_signals = with_signals;
    s.signals = signals;
    size_t n = aolani__gpu_sample__pack(&s, bytes);
    FILE *out = fopen(f->helper, "w");
    assert_non_null(out);
    fprintf(out, "#!/bin/sh\nA='\\%03o\\000\\000\\000", (unsigned)n);
    for (size_t k = 0; k < n; k++)
        fprintf(out, "\\%03o", bytes[k]);
    fprintf(out, "'\n%s\n", script);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(chmod(f->helper, 0755), 0);
    assert_int_equal(gpuhelper_create(f->loop, f->helper, 20000, &f->gpus, NULL), 0);
}

static void test_gpus(void **state)
{
    struct fixture *f = *state;
    start_helper(f, true, "while read -r x; do printf \"$A\"; done");
    begin(f);
    run_until(f, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(f->got[i]->known & AOLANI__NODE_SIGNALS__KNOWN__GPUS);
        assert_int_equal(f->got[i]->n_gpus, 1);
        assert_int_equal(f->got[i]->gpus[0]->power_us, 900);
    }
}

static void test_gpus_that_say_nothing(void **state)
{
    struct fixture *f = *state;
    static const char *const scripts[] = {"while read -r x; do printf \"$A\"; done",
                                          "exit 3", "read -r x; kill -SEGV $$"};
    for (size_t i = 0; i < 3; i++) {
        unsigned n = f->n;
        start_helper(f, false, scripts[i]);
        begin(f);
        run_until(f, n + 2);
        assert_int_equal(f->got[n + 1]->n_gpus, 0);
        assert_false(f->got[n + 1]->known & AOLANI__NODE_SIGNALS__KNOWN__GPUS);
        nodesignals_destroy(f->signals);
        gpuhelper_destroy(f->gpus);
        f->signals = NULL;
        f->gpus = NULL;
    }
}

/* A driver that hangs makes the interval long; the end of the job waits for nothing. */
static void test_gpus_that_hang(void **state)
{
    struct fixture *f = *state;
    start_helper(f, true, "read -r x; exec sleep 1000");
    begin(f);
    run_for(f, 5 * EVERY_MS);
    assert_int_equal(f->n, 0);
    put_stat(f, 14);
    nodesignals_finish(f->signals);
    assert_int_equal(f->n, 1);
    assert_int_equal(all_steal(f), 40000);
    assert_false(f->got[0]->known & AOLANI__NODE_SIGNALS__KNOWN__GPUS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rounds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_credit_nothing_is_lost, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_quiet_ones_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(test_quiet_ones_wait_no_longer, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_finish_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_rank_that_is_not_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(test_probes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gpus, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gpus_that_say_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gpus_that_hang, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
