/* SPDX-License-Identifier: MIT */
/* What Slurm says of the end of its job, with a script in the place of scontrol. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher/limitwatch.h"

#define ENOUGH_MS 5000u

static char dir[64], script[96];

static int set_up(void **state)
{
    char path[4096];
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/aolani-limitwatch-test-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    (void)snprintf(script, sizeof script, "%s/scontrol", dir);
    (void)snprintf(path, sizeof path, "%s:%s", dir, getenv("PATH"));
    return setenv("PATH", path, 1) || unsetenv("SLURM_JOB_ID") ||
           setenv("SLURM_CLUSTERS", "c", 1); /* aolani-slurm is not asked */
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(script) | rmdir(dir);
}

/* scontrol: the job in this state, begun 60 s ago, and its end so many seconds from now;
 * a file `asked` is left. */
static void write_scontrol(const char *state, int end_s)
{
    FILE *f = fopen(script, "w");
    assert_non_null(f);
    assert_true(
        fprintf(f,
                "#!/bin/sh\n"
                "case \"$*\" in *job*) ;; *) exit 1 ;; esac\n"
                "at() { echo $(($(date +%%s) + $1)); }\n"
                "echo \"JobId=7 JobName=x UserId=me(1) JobState=%s Reason=None "
                "StartTime=$(at -60) EndTime=$(at %d) Partition=main NodeList=n1\"\n"
                ": >'%s/asked'\n",
                state, end_s, dir) > 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(script, 0700), 0);
}

struct watch {
    struct loop *loop;
    struct limitwatch *limits;
    struct loop_timer *timer;
    unsigned waited_ms, stops;
    char asked[96];
};

static void on_save(void *arg, int signum, const char *what)
{
    (void)arg;
    (void)signum;
    (void)what;
}

static void on_stop(void *arg, uint64_t grace_ms, const char *what)
{
    struct watch *w = arg;
    (void)grace_ms;
    (void)what;
    w->stops++;
}

/* Until the answer must have been read: a while after scontrol has left its file. */
static void on_tick(void *arg)
{
    struct watch *w = arg;
    w->waited_ms += 100;
    if (access(w->asked, F_OK) == 0 && w->waited_ms < ENOUGH_MS - 500)
        w->waited_ms = ENOUGH_MS - 500;
    if (w->waited_ms >= ENOUGH_MS)
        loop_stop(w->loop);
}

static void test_ends(void **state)
{
    static const struct {
        const char *what, *job;
        int end_s;
        bool is_known, is_limit, stops;
    } rows[] = {
        {"an hour is left", "RUNNING", 3600, true, false, false},
        {"its limit is over", "RUNNING", -1, true, true, true},
        {"it was cancelled", "CANCELLED", 0, false, false, false},
        {"its processes are ended", "COMPLETING", 0, false, false, false},
        {"it has ended", "COMPLETED", -1, false, false, false},
    };
    static const struct limitwatch_ops ops = {.save = on_save, .stop = on_stop};
    struct spec spec = {0};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct watch w = {0};
        write_scontrol(rows[i].job, rows[i].end_s);
        (void)snprintf(w.asked, sizeof w.asked, "%s/asked", dir);
        assert_int_equal(loop_create(&w.loop, NULL), 0);
        assert_int_equal(
            limitwatch_create(w.loop, &spec, 7, false, &ops, &w, &w.limits, NULL), 0);
        assert_non_null(w.timer = loop_timer_create(w.loop, on_tick, &w));
        loop_timer_start(w.timer, 100, 100);
        loop_run(w.loop);
        assert_int_equal(unlink(w.asked), 0);
        if ((limitwatch_left(w.limits) != LIMIT_NEVER) != rows[i].is_known ||
            limitwatch_is_slurms(w.limits) != rows[i].is_limit ||
            (w.stops > 0) != rows[i].stops)
            fail_msg("%s: %s, %u stops", rows[i].what,
                     limitwatch_is_slurms(w.limits) ? "a limit" : "no limit", w.stops);
        loop_timer_destroy(w.timer);
        limitwatch_destroy(w.limits);
        loop_destroy(w.loop);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ends)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
