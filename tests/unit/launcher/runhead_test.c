/* SPDX-License-Identifier: MIT */
/* Who leads a run, by the file that says so: whom one who would lead it gives way to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "launcher/runhead.h"

#define ELSEWHERE                                                     \
    "host=login9 boot=00000000-0000-0000-0000-000000000000 pidns=77 " \
    "pid=4711 start=5 slurm_job=0 slurm_restarts=0 epoch=8\n"

#define IN_JOB                                                          \
    "host=n9 boot=00000000-0000-0000-0000-000000000000 pidns=77 pid=9 " \
    "start=5 slurm_job=81 slurm_restarts=0 epoch=8 "

/* A file system without locks; what another does as soon as we have looked. */
static int lock_error;
static const char *meanwhile_in, *meanwhile;
static void put(const char *dir, const char *line);

int fcntl(int fd, int cmd, ...)
{
    va_list args;
    va_start(args, cmd);
    long arg = va_arg(args, long);
    va_end(args);
    if (!lock_error || (cmd != F_OFD_SETLK && cmd != F_OFD_GETLK))
        return (int)syscall(SYS_fcntl, fd, cmd, arg);
    if (cmd == F_OFD_SETLK && meanwhile)
        put(meanwhile_in, meanwhile);
    errno = lock_error;
    return -1;
}

static int setup(void **state)
{
    static char dir[40];
    (void)snprintf(dir, sizeof dir, "/tmp/runhead_test.XXXXXX");
    *state = dir;
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    char command[80];
    (void)snprintf(command, sizeof command, "rm -rf %s", (char *)*state);
    return system(command);
}

static void put(const char *dir, const char *line)
{
    char path[60];
    (void)snprintf(path, sizeof path, "%s/head", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(line, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* As this process is, but for what is given: of the process and of where it counts. */
static void put_like_us(const char *dir, int pid, uint64_t pid_space)
{
    struct runhead_hold *h;
    struct runhead us;
    char line[600];
    put(dir, "");
    assert_int_equal(runhead_take(dir, false, &h, NULL), 0);
    assert_int_equal(runhead_read(dir, &us, NULL), 0);
    runhead_release(h);
    (void)snprintf(line, sizeof line,
                   "host=%s boot=%s pidns=%llu pid=%d start=%llu slurm_job=0 "
                   "slurm_restarts=0 epoch=3\n",
                   us.host, us.boot,
                   (unsigned long long)(pid_space ? pid_space : us.pid_space),
                   pid ? pid : (int)us.pid, (unsigned long long)us.start_ticks);
    put(dir, line);
}

static void check_takes(const char *dir, bool force)
{
    struct runhead_hold *h;
    struct runhead us;
    struct err e;
    assert_int_equal(runhead_take(dir, force, &h, &e), 0);
    assert_int_equal(runhead_say(h, 9, &e), 0);
    assert_int_equal(runhead_read(dir, &us, &e), 0);
    assert_int_equal(us.pid, getpid());
    assert_int_equal(us.epoch, 9);
    runhead_release(h);
    assert_int_equal(runhead_read(dir, &us, &e), 0);
    assert_int_equal(us.pid, 0);
}

static void check_refused(const char *dir, bool force, int code, const char *hint)
{
    struct runhead_hold *h;
    struct err e;
    assert_int_equal(runhead_take(dir, force, &h, &e), code);
    assert_non_null(strstr(e.hint, hint));
}

static void test_whom_it_gives_way_to(void **state)
{
    const char *dir = *state;
    struct runhead_hold *h;
    check_takes(dir, false);
    assert_int_equal(runhead_take(dir, false, &h, NULL), 0);
    check_refused(dir, false, -EBUSY, "stop ends it");
    check_refused(dir, true, -EBUSY, "stop ends it");
    runhead_release(h);

    put_like_us(dir, 0, 0); /* by a file system that keeps no locks */
    check_refused(dir, true, -EBUSY, "stop ends it");
    put_like_us(dir, INT_MAX, 0);
    check_takes(dir, false);
    put_like_us(dir, 0, 1234); /* in another container here: it would hold the lock */
    check_takes(dir, false);

    put(dir, ELSEWHERE);
    check_refused(dir, false, -EBUSY, "--force");
    check_takes(dir, true);
    put(dir, "host=\n");
    check_refused(dir, false, ERR_PARSE, "--force");
    check_takes(dir, true);
}

/* A job that Slurm has forgotten: what led a run on its nodes has ended with it, what had
 * asked for them from outside may live on. */
static void test_a_job_that_is_over(void **state)
{
    const char *dir = *state;
    char path[80];
    (void)snprintf(path, sizeof path, "%s/scontrol", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs("#!/bin/sh\necho Invalid job id specified >&2\nexit 1\n", f) >=
                0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0700), 0);
    char *before = strdup(getenv("PATH"));
    assert_non_null(before);
    assert_int_equal(setenv("PATH", dir, 1), 0);
    put(dir, IN_JOB "on_node=0\n");
    check_refused(dir, false, -EBUSY, "--force");
    put(dir, IN_JOB "on_node=1\n");
    check_takes(dir, false);
    put(dir, IN_JOB "\n");
    check_takes(dir, false);
    assert_int_equal(setenv("PATH", before, 1), 0);
    free(before);
}

/* One that was taken for dead, with force, and is not. */
static bool has(const char *dir, const char *name)
{
    char path[80];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

static void test_no_locks(void **state)
{
    static const struct {
        int error;
        bool force, claimed;
        const char *meanwhile, *text, *hint; /* text: "" when it leads */
    } t[] = {
        {ENOLCK, false, false, NULL, "", ""},
        {EOPNOTSUPP, false, false, NULL, "", ""},
        {ENOSYS, true, false, NULL, "", ""},
        {ENOLCK, false, false, ELSEWHERE, "another head begins", ""},
        {ENOLCK, true, false, ELSEWHERE, "another head begins", ""},
        {ENOLCK, false, false, "half a li", "another head begins", ""},
        {ENOLCK, false, true, NULL, "or was cut off as it began", "--force"},
        {ENOLCK, true, true, NULL, "", ""},
        {EAGAIN, false, false, NULL, "another head begins", ""},
    };
    const char *dir = *state;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct runhead_hold *h = NULL;
        struct runhead now;
        struct err e = {0};
        char path[80];
        put(dir, "");
        (void)snprintf(path, sizeof path, "%s/head.claim", dir);
        if (t[i].claimed)
            assert_int_equal(close(creat(path, 0600)), 0);
        lock_error = t[i].error;
        meanwhile_in = dir;
        meanwhile = t[i].meanwhile;
        int rc = runhead_take(dir, t[i].force, &h, &e);
        lock_error = 0;
        if ((rc == 0) != !t[i].text[0] || !strstr(e.text, t[i].text) ||
            !strstr(e.hint, t[i].hint))
            fail_msg("row %zu: %d: %s (%s)", i, rc, e.text, e.hint);
        assert_int_equal(has(dir, "head.claim"), t[i].claimed && !t[i].force);
        (void)unlink(path);
        if (rc == 0) {
            assert_int_equal(runhead_read(dir, &now, NULL), 0);
            assert_int_equal(now.pid, getpid());
            runhead_release(h);
        }
    }
}

static void test_only_its_own_word_is_taken_back(void **state)
{
    const char *dir = *state;
    struct runhead_hold *h;
    struct runhead now;
    assert_int_equal(runhead_take(dir, false, &h, NULL), 0);
    put(dir, ELSEWHERE);
    runhead_release(h);
    assert_int_equal(runhead_read(dir, &now, NULL), 0);
    assert_int_equal(now.pid, 4711);
    assert_int_equal(now.epoch, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_whom_it_gives_way_to, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_job_that_is_over, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_locks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_only_its_own_word_is_taken_back, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
