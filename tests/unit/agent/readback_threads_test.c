/* SPDX-License-Identifier: MIT */
/* Real children with real threads, moved with sched_setaffinity. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/proc.h"
#include "agent/readback_threads.h"
#include "tests/lib/skipped.h"

static void test_sets(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool within;
        unsigned count;
    } table[] = {
        {"0", "0-3", true, 1},
        {"0-3", "0", false, 4},
        {"", "5", true, 0},
        {"63-64", "60-70", true, 2},
        {"8191", "8191", true, 1},
        {"0-3,8", "0-7", false, 5},
        {"0-8191", "0-8190", false, 8192},
    };
    struct readback_cpus a, b;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct buf out;
        buf_init(&out, 1u << 16);
        assert_int_equal(readback_cpus_parse(table[i].a, &a, NULL), 0);
        assert_int_equal(readback_cpus_parse(table[i].b, &b, NULL), 0);
        assert_int_equal(readback_cpus_within(&a, &b), table[i].within);
        assert_int_equal(readback_cpus_count(&a), table[i].count);
        assert_int_equal(readback_cpus_format(&a, &out), 0);
        assert_string_equal((char *)out.data, table[i].a);
        buf_fini(&out);
    }
    assert_int_equal(readback_cpus_parse("8192", &a, NULL), ERR_LIMIT);
    assert_int_equal(readback_cpus_parse("x", &a, NULL), ERR_PARSE);
    /* Every other CPU of the largest machine is cut, and still fits into a message. */
    struct buf out;
    buf_init(&out, 1u << 16);
    memset(&a, 0x55, sizeof a);
    assert_int_equal(readback_cpus_format(&a, &out), 0);
    assert_true(out.len < 13000);
    assert_string_equal((char *)out.data + out.len - 4, ",...");
    buf_fini(&out);
}

/* ---- a rank: main thread, two more, and a child with one more; told by a pipe each */

static void *sleep_for_ever(void *arg)
{
    int *fd = arg;
    pid_t tid = (pid_t)syscall(SYS_gettid);
    if (fd)
        (void)!write(*fd, &tid, sizeof tid);
    for (;;)
        pause();
    return NULL;
}

struct rank {
    pid_t pid, thread, child, orphan;
};

static void run_orphan(int fd)
{
    pid_t pid = getpid();
    (void)!write(fd, &pid, sizeof pid);
    sleep_for_ever(NULL);
}

static void run_rank(int *fd)
{
    pthread_t t;
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)pthread_create(&t, NULL, sleep_for_ever, &fd[0]);
    pid_t child = fork();
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        sleep_for_ever(&fd[1]);
    }
    /* A grandchild whose parent ends: the test, a subreaper, gets it. */
    pid_t between = fork();
    if (between == 0) {
        if (fork() == 0)
            run_orphan(fd[2]);
        _exit(0);
    }
    (void)waitpid(between, NULL, 0);
    sleep_for_ever(NULL);
}

static struct rank start_rank(struct readback_threads *t)
{
    struct rank r;
    struct proc_stat st;
    pid_t *const said[] = {&r.thread, &r.child, &r.orphan};
    int fd[3][2], ends[3];
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pipe(fd[i]), 0);
        ends[i] = fd[i][1];
    }
    r.pid = fork();
    if (r.pid == 0)
        run_rank(ends);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(read(fd[i][0], said[i], sizeof *said[i]), sizeof *said[i]);
        close(fd[i][0]);
        close(fd[i][1]);
    }
    for (int i = 0; i < 2000; i++) { /* until it is ours */
        assert_int_equal(proc_stat_read(r.orphan, &st), 0);
        if (st.ppid == getpid())
            break;
        usleep(10000);
    }
    assert_int_equal(proc_stat_read(r.pid, &st), 0);
    *t = (struct readback_threads){.pid = r.pid, .start = st.start, .bound = true};
    assert_int_equal(readback_cpus_of(r.pid, &t->asked), 0);
    return r;
}

static void end_rank(const struct rank *r)
{
    (void)kill(r->orphan, SIGKILL);
    (void)kill(r->pid, SIGKILL);
    (void)waitpid(r->pid, NULL, 0);
    (void)waitpid(r->orphan, NULL, 0);
}

static void walk(bool by_parents, struct readback_threads *t,
                 struct readback_walk **ret)
{
    assert_int_equal(readback_walk_create(by_parents, ret, NULL), 0);
    readback_walk_begin(*ret, t, 1);
    while (!readback_walk_step(*ret, 0)) /* in the smallest slices */
        ;
}

static void test_threads_and_descendants(void **state)
{
    (void)state;
    for (int by_parents = 0; by_parents < 2; by_parents++) {
        struct readback_threads t;
        struct readback_walk *w;
        struct rank r = start_rank(&t);
        walk(by_parents, &t, &w);
        assert_int_equal(t.processes, 3);
        assert_int_equal(t.threads, 4);
        assert_int_equal(t.n_off, 0);
        assert_int_equal(t.unseen, 0);
        assert_memory_equal(&t.cpus, &t.asked, sizeof t.cpus);
        assert_int_equal(readback_walk_owner(w, r.child), 0);
        assert_int_equal(readback_walk_owner(w, r.orphan), 0);
        assert_int_equal(readback_walk_owner(w, getpid()), -1);
        readback_walk_destroy(w);
        end_rank(&r);
    }
}

/* Two sets of which the second is not in the first; false: there is one CPU. */
static bool two_sets(cpu_set_t *one, cpu_set_t *all)
{
    int first = 0;
    assert_int_equal(sched_getaffinity(0, sizeof *all, all), 0);
    while (!CPU_ISSET(first, all))
        first++;
    CPU_ZERO(one);
    CPU_SET(first, one);
    return CPU_COUNT(all) > 1;
}

static void test_who_left_the_set(void **state)
{
    (void)state;
    cpu_set_t one, all;
    struct readback_threads t;
    struct readback_walk *w;
    if (!two_sets(&one, &all))
        skip_because("one CPU");
    const struct rank r = start_rank(&t);
    const pid_t tids[] = {r.pid, r.thread, r.child, r.orphan};
    const pid_t pids[] = {r.pid, r.pid, r.child, r.orphan};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(sched_setaffinity(tids[i], sizeof one, &one), 0);
    memset(&t.asked, 0, sizeof t.asked);
    memcpy(&t.asked, &one, sizeof one);
    walk(false, &t, &w);
    assert_int_equal(t.n_off, 0);
    for (size_t i = 0; i < 4; i++) { /* each alone, and back */
        assert_int_equal(sched_setaffinity(tids[i], sizeof all, &all), 0);
        readback_walk_begin(w, &t, 1);
        while (!readback_walk_step(w, 0))
            ;
        assert_int_equal(t.n_off, 1);
        assert_int_equal(t.off_tid, tids[i]);
        assert_int_equal(t.off_pid, pids[i]);
        assert_string_equal(t.off_name, "readback_thread");
        assert_memory_equal(&t.first_off, &all, sizeof all);
        assert_int_equal(sched_setaffinity(tids[i], sizeof one, &one), 0);
    }
    t.bound = false; /* then nothing is off */
    assert_int_equal(sched_setaffinity(r.thread, sizeof all, &all), 0);
    readback_walk_begin(w, &t, 1);
    while (!readback_walk_step(w, UINT64_MAX))
        ;
    assert_int_equal(t.n_off, 0);
    assert_int_equal(t.threads, 4);
    readback_walk_destroy(w);
    end_rank(&r);
}

static void test_another_with_its_number(void **state)
{
    (void)state;
    struct readback_threads t;
    struct readback_walk *w;
    struct rank r = start_rank(&t);
    t.start--; /* as if the number had been given again */
    walk(false, &t, &w);
    assert_int_equal(t.threads, 1); /* the orphan: it is of the group still */
    readback_walk_destroy(w);
    t.pid = 0;
    walk(false, &t, &w);
    assert_int_equal(t.threads, 0);
    readback_walk_destroy(w);
    end_rank(&r);
}

/* More children of one thread than fit into what is read of their list at a time. */
static void test_too_many_children(void **state)
{
    (void)state;
    enum { CHILDREN = 3500 };
    struct readback_threads t = {.bound = true};
    struct readback_walk *w;
    struct proc_stat st;
    int fd[2], made = 0;
    assert_int_equal(pipe(fd), 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (int i = 0; i < CHILDREN; i++) {
            pid_t child = fork();
            if (child == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                sleep_for_ever(NULL);
            }
            made += child > 0;
        }
        (void)!write(fd[1], &made, sizeof made);
        sleep_for_ever(NULL);
    }
    assert_int_equal(read(fd[0], &made, sizeof made), sizeof made);
    assert_int_equal(proc_stat_read(pid, &st), 0);
    t.pid = pid;
    t.start = st.start;
    assert_int_equal(readback_cpus_of(pid, &t.asked), 0);
    walk(false, &t, &w);
    assert_int_equal(t.processes, made + 1);
    assert_int_equal(t.unseen, 0);
    readback_walk_destroy(w);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    (void)close(fd[0]);
    (void)close(fd[1]);
}

static void test_too_many(void **state)
{
    (void)state;
    enum { RANKS = 600 }; /* of which each may have 64 threads looked at */
    struct readback_threads *all = calloc(RANKS, sizeof *all);
    struct readback_walk *w;
    struct proc_stat st;
    int fd[2];
    assert_int_equal(pipe(fd), 0);
    pid_t pid = fork();
    if (pid == 0) {
        pthread_attr_t a;
        pthread_t t;
        (void)pthread_attr_init(&a);
        (void)pthread_attr_setstacksize(&a, 65536);
        for (int i = 0; i < 99; i++)
            (void)pthread_create(&t, &a, sleep_for_ever, NULL);
        (void)!write(fd[1], "x", 1);
        sleep_for_ever(NULL);
    }
    char x;
    assert_int_equal(read(fd[0], &x, 1), 1);
    assert_int_equal(proc_stat_read(pid, &st), 0);
    all[0].pid = pid;
    all[0].start = st.start;
    assert_int_equal(readback_walk_create(false, &w, NULL), 0);
    readback_walk_begin(w, all, RANKS);
    while (!readback_walk_step(w, UINT64_MAX))
        ;
    assert_int_equal(all[0].threads, 64);
    assert_int_equal(all[0].unseen, 36);
    readback_walk_destroy(w);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    close(fd[0]);
    close(fd[1]);
    free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sets),
        cmocka_unit_test(test_threads_and_descendants),
        cmocka_unit_test(test_who_left_the_set),
        cmocka_unit_test(test_another_with_its_number),
        cmocka_unit_test(test_too_many_children),
        cmocka_unit_test(test_too_many),
    };
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
