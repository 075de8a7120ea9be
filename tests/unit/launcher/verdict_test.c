/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "launcher/verdict.h"

#define EXIT(code) ((code) << 8)

struct row {
    const char *what;
    struct verdict_rank ranks[4];
    size_t n;
    struct verdict_stop stop;
    int status;
    const char *text;
};

static struct verdict_rank exited(unsigned ws, bool by_us, uint64_t t, uint64_t error)
{
    return (struct verdict_rank){.end = RANK_EXITED,
                                 .wait_status = ws,
                                 .ended_by_us = by_us,
                                 .t_ns = t,
                                 .t_error_ns = error,
                                 .node = "n1"};
}

static struct verdict_rank aborted(unsigned ws, uint64_t t, int status)
{
    struct verdict_rank r = exited(ws, true, t, 0);
    r.aborted = true;
    r.abort_status = status;
    return r;
}

static struct verdict_rank starved(uint64_t t)
{
    struct verdict_rank r = exited(SIGKILL, false, t, 0);
    r.oom_killed = true;
    return r;
}

static void test_table(void **state)
{
    (void)state;
    const struct row rows[] = {
        {"all well",
         {exited(0, false, 1, 0), exited(0, false, 2, 0)},
         2,
         {.cause = STOP_NONE},
         0,
         "all 2 ranks ended with status 0"},
        {"all well, as asked before a limit",
         {exited(0, false, 1, 0), exited(0, false, 2, 0)},
         2,
         {.cause = STOP_NONE, .saving = "the time limit"},
         124,
         "all 2 ranks ended with status 0, as asked, before the time limit; to be "
         "continued"},
        {"asked to save, and one fails",
         {exited(0, false, 1, 0), exited(EXIT(3), false, 2, 0)},
         2,
         {.cause = STOP_RANK, .saving = "the time limit"},
         3,
         "rank 1 on n1 failed first: exit 3"},
        {"asked to save, and stopped for it in the end",
         {exited(0, false, 1, 0), exited(SIGTERM, true, 2, 0)},
         2,
         {.cause = STOP_TIME_LIMIT, .saving = "x", .text = "Slurm's time limit"},
         124,
         "Slurm's time limit was reached; 1 of 2 ranks had to be ended"},
        {"Slurm's time limit, known by its signal",
         {exited(SIGTERM, false, 1, 0)},
         1,
         {.cause = STOP_SIGNAL,
          .signum = SIGTERM,
          .why = "its time limit was reached",
          .status = 124},
         124,
         "stopped by Slurm: its time limit was reached; 1 of 1 ranks had to be ended"},
        {"preempted",
         {exited(SIGKILL, true, 1, 0)},
         1,
         {.cause = STOP_SIGNAL, .signum = SIGTERM, .why = "the job was preempted"},
         128 + SIGTERM,
         "stopped by Slurm: the job was preempted; 1 of 1 ranks had to be ended"},
        {"the first in time is the cause, not the first in order",
         {exited(EXIT(7), false, 2000, 10), exited(EXIT(3), false, 1000, 10)},
         2,
         {.cause = STOP_RANK},
         3,
         "rank 1 on n1 failed first: exit 3"},
        {"a rank that we ended is never the cause",
         {exited(SIGTERM, true, 1000, 10), exited(EXIT(5), false, 2000, 10)},
         2,
         {.cause = STOP_RANK},
         5,
         "rank 1 on n1 failed first: exit 5"},
        {"but for one that called MPI_Abort, which is why we ended it",
         {exited(SIGTERM, true, 1000, 10), aborted(EXIT(7), 2000, 7)},
         2,
         {.cause = STOP_RANK},
         7,
         "rank 1 on n1 failed first: exit 7 after MPI_Abort"},
        {"even when our signal came before its exit",
         {exited(SIGTERM, true, 1000, 10), aborted(SIGTERM, 2000, 7)},
         2,
         {.cause = STOP_RANK},
         7,
         "rank 1 on n1 called MPI_Abort(7)"},
        {"even when it then ends as if nothing had been",
         {exited(SIGTERM, true, 1000, 10), aborted(EXIT(0), 2000, 7)},
         2,
         {.cause = STOP_RANK},
         7,
         "rank 1 on n1 called MPI_Abort(7)"},
        {"a signal before there are ranks",
         {{0}},
         0,
         {.cause = STOP_SIGNAL, .signum = SIGINT},
         130,
         "stopped by Ctrl-C (Interrupt) before the ranks were started"},
        {"within the clocks' error both are named",
         {exited(EXIT(7), false, 1000, 400), exited(EXIT(3), false, 1700, 400)},
         2,
         {.cause = STOP_RANK},
         7,
         "rank 0 on n1 failed first: exit 7 (rank 1 failed within the clocks' error of "
         "it)"},
        {"an unknown clock is told from nothing",
         {exited(EXIT(7), false, 1000, UINT64_MAX), exited(EXIT(3), false, 99999, 4)},
         2,
         {.cause = STOP_RANK},
         7,
         "rank 0 on n1 failed first: exit 7 (rank 1 failed within the clocks' error of "
         "it)"},
        {"a signal is 128 + N",
         {exited(SIGKILL, false, 1, 0)},
         1,
         {.cause = STOP_RANK},
         137,
         "rank 0 on n1 failed first: signal 9 (Killed)"},
        {"the kernel wanted its memory",
         {exited(SIGTERM, true, 1, 0), starved(2)},
         2,
         {.cause = STOP_RANK},
         137,
         "rank 1 on n1 was killed by the kernel's OOM killer (out of memory)"},
        {"where the clocks cannot tell, it was first",
         {exited(EXIT(1), false, 1000, 400), starved(1300)},
         2,
         {.cause = STOP_RANK},
         137,
         "rank 1 on n1 was killed by the kernel's OOM killer (out of memory) (rank 0 "
         "failed within the clocks' error of it)"},
        {"but not where they can",
         {exited(EXIT(1), false, 1000, 100), starved(1300)},
         2,
         {.cause = STOP_RANK},
         1,
         "rank 0 on n1 failed first: exit 1"},
        {"two of a node that ran out of memory",
         {starved(1), starved(1)},
         2,
         {.cause = STOP_RANK},
         137,
         "rank 0 on n1 was killed by the kernel's OOM killer (out of memory) (rank 1 "
         "failed within the clocks' error of it)"},
        {"a missing program is 127",
         {{.end = RANK_EXEC_FAILED, .exec_errno = ENOENT, .node = "n1"}},
         1,
         {.cause = STOP_RANK},
         127,
         "rank 0 on n1 could not execute \"prog\": No such file or directory"},
        {"a program that may not be executed is 126",
         {{.end = RANK_EXEC_FAILED, .exec_errno = EACCES, .node = "n1"}},
         1,
         {.cause = STOP_RANK},
         126,
         "rank 0 on n1 could not execute \"prog\": Permission denied"},
        {"the time limit",
         {exited(SIGTERM, true, 1, 0)},
         1,
         {.cause = STOP_TIME_LIMIT},
         124,
         "the time limit was reached; 1 of 1 ranks had to be ended"},
        {"a job that saved its state when asked",
         {exited(0, true, 1, 0), exited(0, true, 1, 0)},
         2,
         {.cause = STOP_SIGNAL, .signum = SIGTERM},
         143,
         "stopped by a signal (Terminated); every rank ended with status 0 when asked"},
        {"Ctrl-C",
         {exited(SIGTERM, true, 1, 0), exited(0, true, 1, 0)},
         2,
         {.cause = STOP_SIGNAL, .signum = SIGINT},
         130,
         "stopped by Ctrl-C (Interrupt); 1 of 2 ranks had to be ended"},
        {"a lost node",
         {{.end = RANK_LOST}},
         1,
         {.cause = STOP_NODE_LOST, .text = "node \"n1\" was lost: x"},
         81,
         "node \"n1\" was lost: x"},
        {"a boot that failed",
         {{0}},
         0,
         {.cause = STOP_ERROR, .status = 80, .text = "agents could not start"},
         80,
         "agents could not start"},
        {"success with leftovers is 85",
         {exited(0, false, 1, 0)},
         1,
         {.cause = STOP_NONE, .unclean = true},
         85,
         "the rank ended with status 0, but the teardown is not proven clean"},
        {"leftovers do not hide a failure",
         {exited(EXIT(9), false, 1, 0)},
         1,
         {.cause = STOP_RANK, .unclean = true},
         9,
         "rank 0 on n1 failed first: exit 9"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[300];
        int status =
            verdict(rows[i].ranks, rows[i].n, &rows[i].stop, "prog", text, sizeof text);
        if (status != rows[i].status || strcmp(text, rows[i].text) != 0)
            fail_msg("%s: %d \"%s\"", rows[i].what, status, text);
    }
}

static void test_a_rank_that_a_stop_came_before(void **state)
{
    (void)state;
    struct verdict_rank r = {.end = RANK_EXEC_FAILED, .exec_errno = ENOENT};
    char text[80];
    verdict_rank_end(&r, text, sizeof text);
    assert_string_equal(text, "not executed: No such file or directory");
    r = (struct verdict_rank){
        .end = RANK_EXEC_FAILED, .exec_errno = ECANCELED, .ended_by_us = true};
    verdict_rank_end(&r, text, sizeof text);
    assert_string_equal(text, "not started");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_a_rank_that_a_stop_came_before)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
