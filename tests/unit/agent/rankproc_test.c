/* SPDX-License-Identifier: MIT */
/* Which process and which threads are followed, over folders that stand for /proc. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/folders.h"
#include "agent/rankproc.h"
#include "tests/lib/tree.h"

static char dir[] = "/tmp/rankproc-XXXXXX";

static void put(const char *text, const char *fmt, int a, int b)
{
    char path[256];
    (void)snprintf(path, sizeof path, fmt, a, b);
    tree_put(dir, path, text);
}

static void put_thread(int pid, int tid, unsigned start, unsigned ticks,
                       unsigned delay_ms)
{
    char text[256];
    (void)snprintf(text, sizeof text,
                   "%d (a) b) S 1 1 1 0 -1 0 77 0 3 0 %u 0 0 0 20 0 1 0 %u 0 0\n", tid,
                   ticks, start);
    put(text, "proc/%d/task/%d/stat", pid, tid);
    if (pid == tid)
        put(text, "proc/%d/stat", pid, 0);
    (void)snprintf(text, sizeof text, "%u0000000 %u000000 9\n", ticks, delay_ms);
    put(text, "proc/%d/task/%d/schedstat", pid, tid);
}

static void put_process(int pid, unsigned start, unsigned ticks, const char *children)
{
    put_thread(pid, pid, start, ticks, 0);
    put(children, "proc/%d/task/%d/children", pid, pid);
    put("0::/job\n", "proc/%d/cgroup", pid, 0);
}

static void put_quota(unsigned us)
{
    char text[64];
    (void)snprintf(text, sizeof text, "usage_usec 1\nthrottled_usec %u\n", us);
    tree_put(dir, "sys/fs/cgroup/job/cpu.stat", text);
    tree_put(dir, "sys/fs/cgroup/job/cgroup.procs", "");
    tree_put(dir, "sys/fs/cgroup/job/cgroup.events", "");
}

static void forget(const char *what)
{
    char command[512];
    (void)snprintf(command, sizeof command, "rm -rf '%s/%s'", dir, what);
    assert_int_equal(system(command), 0);
}

static struct rankproc *begin(void)
{
    struct rankproc *p;
    const struct rankproc_config c = {.root = dir, .pid = 10, .reopen = true};
    forget("proc");
    forget("sys");
    tree_put(dir, "proc/self/mountinfo",
             "30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    put_quota(100);
    assert_int_equal(rankproc_create(&c, &p), 0);
    return p;
}

/* Looks anew each time: a quota is known from the second on. */
static uint64_t now_ns;
static bool look(struct rankproc *p, struct rankhost_reading *r)
{
    now_ns += 3600000000000u;
    return rankproc_read(p, now_ns, r);
}

static bool has(const struct rankhost_reading *r, int tid)
{
    for (uint32_t i = 0; i < r->n; i++)
        if (r->thread[i].tid == tid)
            return true;
    return false;
}

/* A tree of 10: 11, of which 12 and 13 are children; what they have used, and who it is. */
static void test_the_process(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        unsigned ticks[4];
        int is;
    } t[] = {
        {"the command itself", {500, 0, 0, 0}, 10},
        {"behind a shell and a launcher", {0, 5, 600, 2}, 12},
        {"its children load data", {0, 100, 600, 700}, 11},
        {"they all sleep", {0, 0, 0, 0}, 0},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct rankproc *p = begin();
        struct rankhost_reading r;
        put_process(10, 1, t[i].ticks[0], "11 \n");
        put_process(11, 2, t[i].ticks[1], "12 13 rubbish 99");
        put_process(12, 3, t[i].ticks[2], "");
        put_process(13, 4, t[i].ticks[3], "");
        (void)look(p, &r);
        bool known = look(p, &r);
        if (known != (t[i].is != 0) || (known && !has(&r, t[i].is)))
            fail_msg("%s: %s", t[i].what, known ? "another" : "none");
        rankproc_destroy(p);
    }
}

static void test_threads_come_and_go(void **state)
{
    (void)state;
    struct rankproc *p = begin();
    struct rankhost_reading r;
    put_process(10, 1, 5, "");
    for (int i = 0; i < 8; i++)
        put_thread(10, 20 + i, 1, (unsigned)(i + 1) * 10, 7);
    (void)look(p, &r);
    assert_true(look(p, &r));
    assert_int_equal(r.n, RANKHOST_THREADS);
    assert_true(has(&r, 10) && has(&r, 27) && has(&r, 26) && has(&r, 25));
    uint64_t process = r.process;
    put_thread(10, 20, 1, 900, 7); /* works now; 27 has ended, 26 is another one */
    forget("proc/10/task/27");
    put_thread(10, 26, 2, 90, 7);
    assert_true(look(p, &r));
    assert_true(has(&r, 10) && has(&r, 20) && has(&r, 26) && !has(&r, 27));
    assert_true(r.process == process);
    for (uint32_t i = 0; i < r.n; i++)
        if (r.thread[i].tid == 26)
            assert_true(r.thread[i].start == 2 && r.thread[i].cpu_ns == 900000000 &&
                        r.thread[i].delay_ns == 7000000 && r.thread[i].turns == 9 &&
                        r.thread[i].minflt == 77 && r.thread[i].majflt == 3);
    rankproc_destroy(p);
}

static void test_a_number_is_given_to_another_process(void **state)
{
    (void)state;
    struct rankproc *p = begin();
    struct rankhost_reading r;
    put_process(10, 1, 5, "11\n");
    put_process(11, 2, 500, "");
    (void)look(p, &r);
    assert_true(look(p, &r));
    assert_true(has(&r, 11));
    uint64_t process = r.process;
    put_process(11, 9, 600, ""); /* another child */
    (void)look(p, &r);
    assert_true(look(p, &r));
    assert_true(has(&r, 11) && r.process != process);
    put_process(10, 7, 5, "11\n"); /* and nothing of the rank is left */
    assert_false(look(p, &r));
    forget("proc/10");
    assert_false(look(p, &r));
    rankproc_destroy(p);
}

static void test_files_that_hold_anything(void **state)
{
    (void)state;
    static const struct {
        const char *path, *text; /* NULL: it is not there */
        bool known;
    } t[] = {
        {"proc/10/task/10/schedstat", "500 7 9\n", true},
        {"proc/10/task/10/schedstat", "0 0 0\n", false}, /* not kept by this kernel */
        {"proc/10/task/10/schedstat", "500 7\n", false},
        {"proc/10/task/10/schedstat", "-5 7 9\n", false},
        {"proc/10/task/10/schedstat", "99999999999999999999999 7 9\n", false},
        {"proc/10/task/10/schedstat", NULL, false},
        {"proc/10/task/10/stat", "10 (a", false},
        {"proc/10/task/10/stat", NULL, false},
        {"proc/10/stat", "", false},
        {"proc/10/stat", NULL, false},
        {"proc/10/task", NULL, false},
        {"proc/10/task/10/children", NULL, true},
        {"proc/10/task/10/children", "10 10 10", true}, /* itself */
        {"proc/10/cgroup", NULL, false},
        {"proc/10/cgroup", "nonsense", false},
        {"sys/fs/cgroup/job/cpu.stat", "throttled_usec x\n", false},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct rankproc *p = begin();
        struct rankhost_reading r;
        put_process(10, 1, 50, "");
        if (t[i].text) {
            tree_put(dir, t[i].path, t[i].text);
        } else {
            forget(t[i].path);
        }
        (void)look(p, &r);
        if (look(p, &r) != t[i].known)
            fail_msg("%s: %s is %sknown", t[i].path, t[i].text ? t[i].text : "(none)",
                     t[i].known ? "not " : "");
        rankproc_destroy(p);
    }
}

static void test_a_quota_is_looked_at_when_somebody_was_delayed(void **state)
{
    (void)state;
    struct rankproc *p = begin();
    struct rankhost_reading r;
    put_process(10, 1, 50, "");
    (void)look(p, &r);
    assert_true(look(p, &r));
    uint64_t before = r.throttled_ns;
    put_quota(250);
    assert_true(rankproc_read(p, ++now_ns, &r));
    assert_true(r.throttled_ns == before);
    put_thread(10, 10, 1, 50, 40);
    assert_true(rankproc_read(p, ++now_ns, &r));
    assert_true(r.throttled_ns == before + 150000);
    rankproc_destroy(p);
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}
static int remove_dir(void **state)
{
    (void)state;
    forget("");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_process),
        cmocka_unit_test(test_threads_come_and_go),
        cmocka_unit_test(test_a_number_is_given_to_another_process),
        cmocka_unit_test(test_files_that_hold_anything),
        cmocka_unit_test(test_a_quota_is_looked_at_when_somebody_was_delayed),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
