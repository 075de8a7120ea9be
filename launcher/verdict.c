/* SPDX-License-Identifier: MIT */
/* verdict.c - see verdict.h. */
#include "launcher/verdict.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static bool failed(const struct verdict_rank *r)
{
    if (r->end == RANK_EXEC_FAILED)
        return true;
    return r->end == RANK_EXITED && r->wait_status != 0;
}

static bool is_cause(const struct verdict_rank *r)
{
    return r->aborted || (failed(r) && !r->ended_by_us);
}

/* It ended by our signal before its own exit, or as if nothing had been. */
static bool hides_abort(const struct verdict_rank *r)
{
    return r->wait_status == 0 || (r->ended_by_us && WIFSIGNALED((int)r->wait_status));
}

static int rank_status(const struct verdict_rank *r)
{
    if (r->end == RANK_EXEC_FAILED)
        return r->exec_errno == ENOENT ? 127 : 126;
    int ws = (int)r->wait_status;
    if (r->aborted && hides_abort(r))
        return r->abort_status & 0xff ? r->abort_status & 0xff : 1;
    return WIFSIGNALED(ws) ? 128 + WTERMSIG(ws) : WEXITSTATUS(ws);
}

/* Longest stretch that any rank's time may be wrong by, relative to another's. */
static bool apart(const struct verdict_rank *a, const struct verdict_rank *b)
{
    uint64_t gap = a->t_ns > b->t_ns ? a->t_ns - b->t_ns : b->t_ns - a->t_ns;
    uint64_t error = a->t_error_ns + b->t_error_ns;
    return error >= a->t_error_ns && gap > error;
}

void verdict_rank_end(const struct verdict_rank *r, char *text, size_t len)
{
    int ws = (int)r->wait_status;
    switch (r->end) {
    case RANK_NOT_STARTED:
        (void)snprintf(text, len, "not started");
        return;
    case RANK_ALIVE:
        (void)snprintf(text, len, "end not seen");
        return;
    case RANK_LOST:
        (void)snprintf(text, len, "lost");
        return;
    case RANK_EXEC_FAILED:
        if (r->ended_by_us && r->exec_errno == ECANCELED) /* the stop came before it */
            (void)snprintf(text, len, "not started");
        else
            (void)snprintf(text, len, "not executed: %s", strerror(r->exec_errno));
        return;
    case RANK_EXITED:
        break;
    }
    if (WIFSIGNALED(ws))
        (void)snprintf(text, len, "signal %d (%s)%s%s", WTERMSIG(ws),
                       strsignal(WTERMSIG(ws)), WCOREDUMP(ws) ? ", core dumped" : "",
                       r->oom_killed ? ", out of memory" : "");
    else
        (void)snprintf(text, len, "exit %d", WEXITSTATUS(ws));
}

/* Where the clocks cannot tell who was first, the kernel's own victim was: no rank runs out
 * of memory because another failed, but many fail because it is gone. */
static const struct verdict_rank *find_cause(const struct verdict_rank *ranks, size_t n)
{
    const struct verdict_rank *first = NULL;
    for (size_t i = 0; i < n; i++) {
        if (is_cause(&ranks[i]) && (!first || ranks[i].t_ns < first->t_ns))
            first = &ranks[i];
    }
    for (size_t i = 0; first && !first->oom_killed && i < n; i++) {
        if (is_cause(&ranks[i]) && ranks[i].oom_killed && !apart(&ranks[i], first))
            first = &ranks[i];
    }
    return first;
}

static void say_cause(const struct verdict_rank *ranks, size_t n,
                      const struct verdict_rank *cause, const char *program, char *text,
                      size_t len)
{
    char end[120];
    verdict_rank_end(cause, end, sizeof end);
    size_t rank = (size_t)(cause - ranks);
    int at;
    if (cause->end == RANK_EXEC_FAILED)
        at = snprintf(text, len, "rank %zu on %s could not execute \"%s\": %s", rank,
                      cause->node, program, strerror(cause->exec_errno));
    else if (cause->aborted && hides_abort(cause))
        at = snprintf(text, len, "rank %zu on %s called MPI_Abort(%d)", rank,
                      cause->node, cause->abort_status);
    else if (cause->oom_killed && WIFSIGNALED((int)cause->wait_status))
        at = snprintf(text, len,
                      "rank %zu on %s was killed by the kernel's OOM killer (out of "
                      "memory)",
                      rank, cause->node);
    else
        at = snprintf(text, len, "rank %zu on %s failed first: %s%s", rank, cause->node,
                      end, cause->aborted ? " after MPI_Abort" : "");
    size_t alike = 0, other = 0;
    for (size_t i = 0; i < n; i++) {
        if (i != rank && is_cause(&ranks[i]) && !apart(&ranks[i], cause)) {
            alike++;
            other = i;
        }
    }
    if (alike == 0 || at < 0 || (size_t)at >= len)
        return;
    if (alike == 1)
        (void)snprintf(text + at, len - (size_t)at,
                       " (rank %zu failed within the clocks' error of it)", other);
    else
        (void)snprintf(text + at, len - (size_t)at,
                       " (%zu more ranks failed within the clocks' error of it)",
                       alike);
}

static int say_end(const struct verdict_rank *ranks, size_t n, const char *program,
                   char *text, size_t len)
{
    const struct verdict_rank *cause = find_cause(ranks, n);
    if (!cause) {
        (void)snprintf(text, len,
                       n == 1 ? "the rank ended with status 0"
                              : "all %zu ranks ended with status 0",
                       n);
        return 0;
    }
    say_cause(ranks, n, cause, program, text, len);
    return rank_status(cause);
}

/* How the ranks took it that the job was stopped: after `at` bytes of the sentence. by_us:
 * only what came from us ended them; Slurm signals them, too. */
static void say_stopped(const struct verdict_rank *ranks, size_t n, bool by_us, int at,
                        char *text, size_t len)
{
    size_t started = 0, killed = 0;
    if (at < 0 || (size_t)at >= len)
        return;
    for (size_t i = 0; i < n; i++) {
        started += ranks[i].end != RANK_NOT_STARTED;
        killed += (ranks[i].ended_by_us || !by_us) && failed(&ranks[i]);
    }
    text += at;
    len -= (size_t)at;
    if (started == 0)
        (void)snprintf(text, len, " before the ranks were started");
    else if (killed == 0)
        (void)snprintf(text, len, "; every rank ended with status 0 when asked");
    else
        (void)snprintf(text, len, "; %zu of %zu ranks had to be ended", killed, n);
}

static int say_signal(const struct verdict_rank *ranks, size_t n,
                      const struct verdict_stop *stop, char *text, size_t len)
{
    int at;
    if (stop->why)
        at = snprintf(text, len, "stopped by Slurm: %s", stop->why);
    else
        at = snprintf(text, len, "stopped by %s (%s)",
                      stop->signum == SIGINT ? "Ctrl-C" : "a signal",
                      strsignal(stop->signum));
    say_stopped(ranks, n, !stop->why, at, text, len);
    return stop->why && stop->status ? stop->status : 128 + stop->signum;
}

int verdict(const struct verdict_rank *ranks, size_t n, const struct verdict_stop *stop,
            const char *program, char *text, size_t len)
{
    int at, status = 1;
    switch (stop->cause) {
    case STOP_NONE:
    case STOP_RANK:
        status = say_end(ranks, n, program, text, len);
        if (status == 0 && stop->saving) {
            size_t end = strlen(text);
            (void)snprintf(text + end, len - end,
                           ", as asked, before %s; to be continued", stop->saving);
            status = 124;
        }
        break;
    case STOP_SIGNAL:
        status = say_signal(ranks, n, stop, text, len);
        break;
    case STOP_TIME_LIMIT:
        at = snprintf(text, len, "%s was reached",
                      stop->text ? stop->text : "the time limit");
        say_stopped(ranks, n, true, at, text, len);
        status = 124;
        break;
    case STOP_NODE_LOST:
        (void)snprintf(text, len, "%s", stop->text);
        status = 81;
        break;
    case STOP_ERROR:
        (void)snprintf(text, len, "%s", stop->text);
        status = stop->status;
        break;
    }
    if (status == 0 && stop->unclean) {
        size_t end = strlen(text);
        (void)snprintf(text + end, len - end, ", but the teardown is not proven clean");
        status = 85;
    }
    return status;
}
