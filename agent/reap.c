/* SPDX-License-Identifier: MIT */
/* reap.c - see reap.h. */
#include "agent/reap.h"

#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/loop_proc.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* Processes that stop and go on all the time, and the orphans that we are given: they must
 * not keep us from all else. */
#define REAP_LOOKS (2 * LIMIT_LOCAL_RANKS)

struct reap {
    struct loop *loop;
    reap_exit_f on_exit;
    reap_stop_f on_stop; /* NULL: nobody asks */
    void *arg;
    uint64_t looked_ns; /* at stops */
    struct loop_signal *sigchld;
    pid_t pids[LIMIT_LOCAL_RANKS];
    size_t n;
};

static bool reap_has(const struct reap *r, pid_t pid)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->pids[i] == pid)
            return true;
    }
    return false;
}

void reap_look_stops(struct reap *r)
{
    uint64_t now = clock_mono_ns();
    if (!r->on_stop)
        return;
    for (unsigned i = 0; i < REAP_LOOKS; i++) {
        siginfo_t found = {0};
        /* Without WEXITED no exit is taken here, and none is lost. */
        int rc = waitid(P_ALL, 0, &found, WSTOPPED | WCONTINUED | WNOHANG);
        if (rc < 0 && errno == EINTR)
            continue;
        if (rc < 0 || found.si_pid == 0) {
            r->looked_ns = now;
            return;
        }
        if (!reap_has(r, found.si_pid))
            continue;
        if (found.si_code == CLD_STOPPED)
            r->on_stop(r->arg, found.si_pid, now, now);
        else if (found.si_code == CLD_CONTINUED)
            r->on_stop(r->arg, found.si_pid, r->looked_ns, now);
    }
}

void reap_watch_stops(struct reap *r, reap_stop_f on_stop)
{
    r->on_stop = on_stop;
    r->looked_ns = clock_mono_ns();
}

static bool reap_forget(struct reap *r, pid_t pid)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->pids[i] == pid) {
            r->pids[i] = r->pids[--r->n];
            return true;
        }
    }
    return false;
}

static void reap_on_sigchld(int signum, void *arg)
{
    struct reap *r = arg;
    (void)signum;
    reap_look_stops(r);
    for (;;) {
        int status;
        struct rusage usage;
        pid_t pid = wait4(-1, &status, WNOHANG, &usage);
        if (pid < 0 && errno == EINTR)
            continue;
        if (pid <= 0)
            return;
        if (reap_forget(r, pid))
            r->on_exit(r->arg, pid, status, &usage);
        else
            (void)loop_proc_reaped(r->loop, pid, status); /* else it was an orphan */
    }
}

int reap_create(struct loop *l, reap_exit_f on_exit, void *arg, struct reap **ret,
                struct err *e)
{
    struct reap *r = calloc(1, sizeof *r);
    if (!r)
        return err_sys(e, -ENOMEM, "wait for processes");
    r->loop = l;
    r->on_exit = on_exit;
    r->arg = arg;
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) {
        int rc = err_sys(e, -errno, "become the parent of orphans");
        reap_destroy(r);
        return rc;
    }
    r->sigchld = loop_signal_create(l, SIGCHLD, reap_on_sigchld, r);
    if (!r->sigchld) {
        reap_destroy(r);
        return err_sys(e, -ENOMEM, "wait for processes");
    }
    *ret = r;
    return 0;
}

void reap_destroy(struct reap *r)
{
    if (!r)
        return;
    loop_signal_destroy(r->sigchld);
    free(r);
}

void reap_add(struct reap *r, pid_t pid)
{
    assert(r->n < LIMIT_LOCAL_RANKS);
    r->pids[r->n++] = pid;
}
