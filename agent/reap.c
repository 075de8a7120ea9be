/* SPDX-License-Identifier: MIT */
/* reap.c - see reap.h. Ranks are waited for by number: waitpid(-1) would take the status
 * of the helper away from loop_proc. What is dead and claimed by nobody a moment later is
 * an orphan. */
#include "agent/reap.h"

#include "agent/proc.h"
#include "proto/base/limits.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define REAP_ORPHANS_MS 50

struct reap {
    reap_exit_f on_exit;
    void *arg;
    struct loop_signal *sigchld;
    struct loop_timer *orphans;
    pid_t pids[LIMIT_LOCAL_RANKS];
    size_t n;
    bool helper_is_ours;
};

static void reap_ranks(struct reap *r)
{
    for (size_t i = 0; i < r->n;) {
        int status;
        struct rusage usage;
        pid_t pid = r->pids[i];
        pid_t got = wait4(pid, &status, WNOHANG, &usage);
        if (got == 0 || (got < 0 && errno == EINTR)) {
            i++;
            continue;
        }
        r->pids[i] = r->pids[--r->n];
        if (got == pid)
            r->on_exit(r->arg, pid, status, &usage);
    }
}

static bool reap_is_rank(const struct reap *r, pid_t pid)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->pids[i] == pid)
            return true;
    }
    return false;
}

static void reap_on_orphans(void *arg)
{
    struct reap *r = arg;
    for (;;) {
        siginfo_t si = {0};
        struct proc_stat st;
        if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) < 0 || si.si_pid == 0)
            return;
        if (reap_is_rank(r, si.si_pid)) {
            reap_ranks(r);
            continue;
        }
        if (!r->helper_is_ours && proc_stat_read(si.si_pid, &st) == 0 &&
            strcmp(st.name, REAP_HELPER) == 0)
            return;
        (void)waitpid(si.si_pid, NULL, WNOHANG);
    }
}

static void reap_on_sigchld(int signum, void *arg)
{
    struct reap *r = arg;
    (void)signum;
    reap_ranks(r);
    loop_timer_start(r->orphans, REAP_ORPHANS_MS, 0);
}

int reap_create(struct loop *l, reap_exit_f on_exit, void *arg, struct reap **ret,
                struct err *e)
{
    struct reap *r = calloc(1, sizeof *r);
    if (!r)
        return err_sys(e, -ENOMEM, "wait for processes");
    r->on_exit = on_exit;
    r->arg = arg;
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) {
        int rc = err_sys(e, -errno, "become the parent of orphans");
        reap_destroy(r);
        return rc;
    }
    r->sigchld = loop_signal_create(l, SIGCHLD, reap_on_sigchld, r);
    r->orphans = loop_timer_create(l, reap_on_orphans, r);
    if (!r->sigchld || !r->orphans) {
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
    loop_timer_destroy(r->orphans);
    free(r);
}

void reap_add(struct reap *r, pid_t pid)
{
    assert(r->n < LIMIT_LOCAL_RANKS);
    r->pids[r->n++] = pid;
}

void reap_take_helper(struct reap *r)
{
    r->helper_is_ours = true;
    loop_timer_start(r->orphans, REAP_ORPHANS_MS, 0);
}
