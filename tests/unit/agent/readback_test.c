/* SPDX-License-Identifier: MIT */
/* Rounds over real children, with a recorder in place of the head. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/proc.h"
#include "agent/readback.h"
#include "agent/readback_threads.h"
#include "agent/readback_users.h"
#include "proto/base/limits.h"
#include "tests/lib/skipped.h"

enum { EVERY_MS = 20, MOST = 1000 };

struct fixture {
    struct loop *loop;
    struct loop_timer *timer;
    struct readback *readback;
    struct gpuhelper *gpus;
    struct task task;
    Aolani__RankPlan rank, *ranks[1];
    Aolani__Prepare plan;
    struct upward up;
    const char *sysfs;
    char asked[64];
    cpu_set_t one, all;
    Aolani__Binding *got[MOST];
    unsigned n, refuse;
};

static int64_t on_send(void *arg, enum message_type type, const ProtobufCMessage *m)
{
    struct fixture *f = arg;
    uint8_t bytes[65536];
    assert_int_equal(type, MSG_BINDING);
    assert_true(protobuf_c_message_get_packed_size(m) <=
                message_rule(MSG_BINDING)->max_payload);
    if (f->refuse > 0) {
        f->refuse--;
        return ERR_LIMIT;
    }
    size_t n = protobuf_c_message_pack(m, bytes);
    assert_true(f->n < MOST);
    f->got[f->n] = aolani__binding__unpack(NULL, n, bytes);
    assert_non_null(f->got[f->n]);
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

/* Until the n-th message has come; others may not. */
static const Aolani__Binding *message(struct fixture *f, unsigned n)
{
    for (int i = 0; i < 2000 && f->n < n; i++)
        run_for(f, 5);
    assert_true(f->n >= n);
    return f->got[n - 1];
}

static const Aolani__Binding__Check *check(const Aolani__Binding *b, const char *what)
{
    for (size_t i = 0; i < b->n_checks; i++) {
        if (strcmp(b->checks[i]->what, what) == 0)
            return b->checks[i];
    }
    return NULL;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct err e;
    int cpu = 0, fd[2];
    char x;
    assert_int_equal(loop_create(&f->loop, &e), 0);
    f->timer = loop_timer_create(f->loop, on_timer, f);
    f->sysfs = "/sys";
    f->up = (struct upward){.send = on_send, .arg = f};
    assert_int_equal(sched_getaffinity(0, sizeof f->all, &f->all), 0);
    while (!CPU_ISSET(cpu, &f->all))
        cpu++;
    CPU_ZERO(&f->one);
    CPU_SET(cpu, &f->one);
    (void)snprintf(f->asked, sizeof f->asked, "%d", cpu);
    assert_int_equal(pipe(fd), 0);
    f->task.pid = fork();
    if (f->task.pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)sched_setaffinity(0, sizeof f->one, &f->one);
        (void)!write(fd[1], "x", 1);
        for (;;)
            pause();
    }
    assert_int_equal(read(fd[0], &x, 1), 1);
    (void)close(fd[0]);
    (void)close(fd[1]);
    f->task.state = TASK_RUNNING;
    f->task.settled = true;
    f->task.rank = 5;
    aolani__rank_plan__init(&f->rank);
    aolani__prepare__init(&f->plan);
    f->rank.rank = 5;
    f->rank.cpus = f->asked;
    f->ranks[0] = &f->rank;
    f->plan.ranks = f->ranks;
    f->plan.n_ranks = 1;
    f->plan.run_id = (char *)"00112233445566aa";
    *state = f;
    return 0;
}

static void begin(struct fixture *f)
{
    struct err e;
    struct readback_config c = {.loop = f->loop,
                                .up = &f->up,
                                .plan = &f->plan,
                                .tasks = &f->task,
                                .n_tasks = 1,
                                .gpus = f->gpus,
                                .sysfs = f->sysfs,
                                .every_ms = EVERY_MS};
    assert_int_equal(readback_create(&c, &f->readback, &e), 0);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    readback_destroy(f->readback);
    gpuhelper_destroy(f->gpus);
    loop_timer_destroy(f->timer);
    loop_destroy(f->loop);
    if (f->task.pid > 0) {
        (void)kill(f->task.pid, SIGKILL);
        (void)waitpid(f->task.pid, NULL, 0);
    }
    for (unsigned i = 0; i < f->n; i++)
        aolani__binding__free_unpacked(f->got[i], NULL);
    free(f);
    return 0;
}

static void move(struct fixture *f, const cpu_set_t *to)
{
    assert_int_equal(sched_setaffinity(f->task.pid, sizeof *to, to), 0);
}

static void test_first_known_and_no_more(void **state)
{
    struct fixture *f = *state;
    begin(f);
    const Aolani__Binding *b = message(f, 1);
    assert_int_equal(b->rank, 5);
    assert_string_equal(b->applied_cpus, f->asked);
    assert_string_equal(b->cpus, f->asked);
    assert_int_equal(b->processes, 1);
    assert_int_equal(b->threads, 1);
    assert_int_equal(check(b, "cpus")->state, AOLANI__BINDING__STATE__AS_ASKED);
    assert_null(check(b, "gpu"));
    assert_null(check(b, "memory"));
    run_for(f, 10 * EVERY_MS);
    assert_int_equal(f->n, 1);
}

/* taskset(1) before the program, and a loaded node: what was applied was more. */
static void test_a_rank_that_was_quick_to_choose_fewer(void **state)
{
    struct fixture *f = *state;
    struct readback_cpus all;
    struct buf text;
    if (CPU_COUNT(&f->all) < 2)
        skip_because("one CPU");
    buf_init(&text, 1u << 16);
    assert_int_equal(readback_cpus_of(0, &all), 0);
    assert_int_equal(readback_cpus_format(&all, &text), 0);
    f->rank.cpus = (char *)text.data;
    begin(f);
    const Aolani__Binding *b = message(f, 1);
    assert_string_equal(b->applied_cpus, (char *)text.data);
    assert_string_equal(b->cpus, f->asked);
    assert_int_equal(check(b, "cpus")->state, AOLANI__BINDING__STATE__AS_ASKED);
    readback_destroy(f->readback);
    f->readback = NULL;
    f->task.outcome.other_cpus = true; /* then it is looked at */
    begin(f);
    assert_string_equal(message(f, 2)->applied_cpus, f->asked);
    buf_fini(&text);
    f->rank.cpus = f->asked;
}

static void test_drift_and_its_end(void **state)
{
    struct fixture *f = *state;
    char text[160];
    if (CPU_COUNT(&f->all) < 2)
        skip_because("one CPU");
    begin(f);
    (void)message(f, 1);
    move(f, &f->all);
    const Aolani__Binding *b = message(f, 2);
    (void)snprintf(text, sizeof text,
                   "thread %d (readback_test) of pid %d may run on %s, "
                   "asked %s",
                   f->task.pid, f->task.pid, b->cpus, f->asked);
    assert_int_equal(check(b, "cpus")->state, AOLANI__BINDING__STATE__DRIFT);
    assert_string_equal(check(b, "cpus")->text, text);
    assert_string_equal(b->applied_cpus, f->asked); /* that was so */
    run_for(f, 5 * EVERY_MS);
    assert_int_equal(f->n, 2);
    move(f, &f->one);
    b = message(f, 3);
    assert_int_equal(check(b, "cpus")->state, AOLANI__BINDING__STATE__AS_ASKED);
}

static void test_not_bound_is_no_drift(void **state)
{
    struct fixture *f = *state;
    f->rank.cpus = (char *)"";
    begin(f);
    const Aolani__Binding *b = message(f, 1);
    assert_int_equal(b->n_checks, 0);
    assert_string_equal(b->cpus, f->asked);
    move(f, &f->all); /* other CPUs are news, but nothing is wrong */
    if (CPU_COUNT(&f->all) > 1)
        assert_int_equal(message(f, 2)->n_checks, 0);
}

static void test_what_could_not_be_sent_comes_later(void **state)
{
    struct fixture *f = *state;
    f->refuse = 3;
    begin(f);
    (void)message(f, 1);
    assert_int_equal(f->refuse, 0);
}

static void test_a_rank_that_flaps_is_told_of_so_often(void **state)
{
    struct fixture *f = *state;
    if (CPU_COUNT(&f->all) < 2)
        skip_because("one CPU");
    begin(f);
    (void)message(f, 1);
    for (unsigned i = 0; f->n < LIMIT_BINDINGS; i++) {
        move(f, i % 2 ? &f->one : &f->all);
        (void)message(f, f->n + 1);
    }
    assert_int_equal(f->n, LIMIT_BINDINGS);
    const Aolani__Binding__Check *last = check(f->got[LIMIT_BINDINGS - 1], "cpus");
    assert_int_equal(last->state, AOLANI__BINDING__STATE__UNVERIFIED);
    assert_string_equal(last->text,
                        "it changed so often that it is not followed any more");
    assert_int_not_equal(check(f->got[LIMIT_BINDINGS - 2], "cpus")->state,
                         AOLANI__BINDING__STATE__UNVERIFIED);
    for (unsigned i = 0; i < 10; i++) {
        move(f, i % 2 ? &f->one : &f->all);
        run_for(f, 2 * EVERY_MS);
    }
    assert_int_equal(f->n, LIMIT_BINDINGS);
}

/* Within what was asked: it must not use up what drift needs. */
static void test_a_rank_that_rebinds_itself_is_followed_on(void **state)
{
    struct fixture *f = *state;
    struct readback_cpus all;
    struct buf text;
    if (CPU_COUNT(&f->all) < 2)
        skip_because("one CPU");
    buf_init(&text, 1u << 16);
    assert_int_equal(readback_cpus_of(0, &all), 0);
    assert_int_equal(readback_cpus_format(&all, &text), 0);
    f->rank.cpus = (char *)text.data;
    begin(f);
    (void)message(f, 1);
    for (unsigned i = 0; f->n < LIMIT_BINDINGS / 2; i++) {
        move(f, i % 2 ? &f->one : &f->all);
        (void)message(f, f->n + 1);
    }
    for (unsigned i = 0; i < 10; i++) {
        move(f, i % 2 ? &f->one : &f->all);
        run_for(f, 2 * EVERY_MS);
    }
    assert_true(f->n <= LIMIT_BINDINGS / 2 + 1);
    assert_int_equal(check(f->got[f->n - 1], "cpus")->state,
                     AOLANI__BINDING__STATE__AS_ASKED);
    buf_fini(&text);
    f->rank.cpus = f->asked;
}

static void test_a_rank_that_has_ended(void **state)
{
    struct fixture *f = *state;
    begin(f);
    (void)message(f, 1);
    (void)kill(f->task.pid, SIGKILL);
    run_for(f, 5 * EVERY_MS); /* a zombie: nothing is accused, nothing hangs */
    (void)waitpid(f->task.pid, NULL, 0);
    f->task.state = TASK_DONE;
    f->task.pid = 0;
    unsigned n = f->n;
    run_for(f, 5 * EVERY_MS);
    assert_int_equal(f->n, n);
}

static void test_gpus_without_a_helper(void **state)
{
    struct fixture *f = *state;
    char *gpus[] = {(char *)"GPU-a"};
    f->rank.gpus = gpus;
    f->rank.n_gpus = 1;
    assert_int_equal(gpuhelper_create(f->loop, NULL, GPUHELPER_MS, &f->gpus, NULL), 0);
    begin(f);
    const Aolani__Binding *b = message(f, 1);
    assert_int_equal(check(b, "gpu")->state, AOLANI__BINDING__STATE__UNVERIFIED);
    assert_string_equal(check(b, "gpu")->text, "aolani-describe is not there");
    f->rank.n_gpus = 0;
    f->rank.gpus = NULL;
}

/* A thread that waits for its vfork(2) to execute waits in the kernel. */
static pid_t start_stuck(void)
{
    pid_t pid = fork();
    char path[40], text[1024];
    struct proc_stat st = {.state = '?'};
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (vfork() == 0) {
            (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (;;)
                pause();
        }
        _exit(0);
    }
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    for (int i = 0; i < 2000 && st.state != 'D'; i++) {
        assert_true(proc_read_file(path, text, sizeof text) > 0);
        assert_int_equal(proc_stat_parse(text, &st), 0);
        (void)usleep(5000);
    }
    assert_int_equal(st.state, 'D');
    return pid;
}

/* A machine with two NUMA nodes, as far as the readback can tell. */
static void write_nodes(char dir[])
{
    char path[128];
    static const char *const folders[] = {"devices", "devices/system",
                                          "devices/system/node"};
    assert_non_null(mkdtemp(dir));
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, folders[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    (void)snprintf(path, sizeof path, "%s/devices/system/node/has_cpu", dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fputs("0-1\n", file);
    (void)fclose(file);
}

static void test_a_thread_in_the_kernel_keeps_nobody_waiting(void **state)
{
    struct fixture *f = *state;
    struct readback_gpu_use use = {.user = READBACK_RANK};
    struct readback_walk *walk;
    struct readback_threads none = {.pid = 0};
    struct err e;
    pid_t pid = f->task.pid, stuck = start_stuck();
    uint32_t numa[] = {0};
    char dir[] = "/tmp/readback_test.XXXXXX";
    write_nodes(dir);
    f->sysfs = dir;
    f->plan.memory = AOLANI__MEMORY_POLICY__MEMORY_BIND;
    f->rank.numa = numa;
    f->rank.n_numa = 1;
    f->task.pid = stuck;
    begin(f);
    const Aolani__Binding__Check *c = check(message(f, 1), "memory");
    assert_int_equal(c->state, AOLANI__BINDING__STATE__UNVERIFIED);
    assert_string_equal(c->text, "a thread of it waits in the kernel, and with it "
                                 "whoever would look at its pages");
    assert_int_equal(readback_walk_create(false, &walk, &e), 0);
    readback_walk_begin(walk, &none, 1);
    use.pid = stuck;
    readback_users_tell(&use, 1, walk, f->plan.run_id, true);
    assert_int_equal(use.user, READBACK_HIDDEN);
    use.pid = pid;
    readback_users_tell(&use, 1, walk, f->plan.run_id, true);
    assert_int_equal(use.user, READBACK_FOREIGN);
    readback_walk_destroy(walk);
    f->task.pid = pid;
    (void)kill(stuck, SIGKILL);
    (void)waitpid(stuck, NULL, 0);
    f->rank.n_numa = 0;
    f->rank.numa = NULL;
    char path[128];
    for (char *end =
             path + snprintf(path, sizeof path, "%s/devices/system/node/has_cpu", dir);
         end > path + strlen(dir); *(end = strrchr(path, '/')) = '\0')
        assert_int_equal(remove(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

static void test_destroyed_at_any_time(void **state)
{
    struct fixture *f = *state;
    begin(f);
    readback_destroy(f->readback);
    f->readback = NULL;
    begin(f);
    (void)message(f, 1);
    readback_destroy(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_first_known_and_no_more),
        TEST(test_a_rank_that_was_quick_to_choose_fewer),
        TEST(test_drift_and_its_end),
        TEST(test_not_bound_is_no_drift),
        TEST(test_what_could_not_be_sent_comes_later),
        TEST(test_a_rank_that_flaps_is_told_of_so_often),
        TEST(test_a_rank_that_rebinds_itself_is_followed_on),
        TEST(test_a_rank_that_has_ended),
        TEST(test_gpus_without_a_helper),
        TEST(test_a_thread_in_the_kernel_keeps_nobody_waiting),
        TEST(test_destroyed_at_any_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
