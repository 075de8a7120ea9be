/* SPDX-License-Identifier: MIT */
/* teardown.c - see teardown.h. */
#include "agent/teardown.h"

#include "agent/proc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEARDOWN_TICK_MS  50
#define TEARDOWN_QUICK_MS 10   /* at first, when most is about to end anyway */
#define TEARDOWN_LOOK_MS  200  /* let what is ending end by itself */
#define TEARDOWN_SWEPT_MS 1000 /* for the keeper, which needs a moment */
#define TEARDOWN_LIMIT_MS 5000
#define TEARDOWN_FOUND    256 /* looked at in one tick; the next tick meets the rest */
#define TEARDOWN_EVIDENCE 32

struct teardown_found {
    pid_t pid;
    struct proc_stat st;
};

struct teardown {
    struct teardown_config c;
    struct loop *loop;
    struct loop_timer *timer;
    void (*done)(void *arg);
    void *arg;
    uint64_t began_ms;
    struct teardown_found found[TEARDOWN_FOUND], killed[TEARDOWN_FOUND];
    size_t n_found, n_killed, n_unreadable;
    struct teardown_found unreadable;
    int cgroup_empty; /* as cgroup_is_empty */
    int proc_error;
    Aolani__NodeDone result;
    char *evidence[TEARDOWN_EVIDENCE];
};

void teardown_note(struct teardown *t, bool unproven, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    if (unproven)
        t->result.proven = false;
    if (t->result.n_evidence == TEARDOWN_EVIDENCE)
        return;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (n >= 0)
        t->evidence[t->result.n_evidence++] = text;
}

/* ---- looking ---- */

static void teardown_add(struct teardown *t, pid_t pid, const struct proc_stat *st)
{
    for (size_t i = 0; i < t->n_found; i++) {
        if (t->found[i].pid == pid)
            return;
    }
    if (t->n_found < TEARDOWN_FOUND)
        t->found[t->n_found++] = (struct teardown_found){pid, *st};
}

static bool teardown_is_ancestor(pid_t pid)
{
    struct proc_stat st;
    for (pid_t p = getppid(); p > 0; p = st.ppid) {
        if (p == pid)
            return true;
        if (proc_stat_read(p, &st) < 0)
            break;
    }
    return false;
}

static bool teardown_look_at(void *arg, pid_t pid)
{
    struct teardown *t = arg;
    struct proc_stat st;
    if (proc_stat_read(pid, &st) < 0 || st.state == 'Z' || st.state == 'X')
        return true;
    if (st.ppid == getpid()) {
        teardown_add(t, pid, &st);
        return true;
    }
    enum proc_mark mark = proc_has_mark(pid, t->c.mark);
    if (mark == PROC_MARK_YES)
        teardown_add(t, pid, &st);
    if (mark == PROC_MARK_UNREADABLE && t->c.recovering && st.start >= t->c.since &&
        !teardown_is_ancestor(pid)) {
        t->n_unreadable++;
        t->unreadable = (struct teardown_found){pid, st};
    }
    return true;
}

static void teardown_look_at_member(void *arg, pid_t pid)
{
    struct proc_stat st;
    if (pid > 1 && proc_stat_read(pid, &st) == 0 && st.state != 'Z')
        teardown_add(arg, pid, &st);
}

static bool teardown_look(struct teardown *t)
{
    t->n_found = t->n_unreadable = 0;
    t->cgroup_empty = 1;
    if (t->c.cgroup) {
        cgroup_each(t->c.cgroup, teardown_look_at_member, t);
        t->cgroup_empty = cgroup_is_empty(t->c.cgroup);
    }
    t->proc_error = proc_each(teardown_look_at, t);
    return t->n_found == 0 && t->cgroup_empty != 0;
}

/* One that cannot be found may be there. */
static bool teardown_is_blind(const struct teardown *t)
{
    return t->c.recovering && t->c.swept && !t->c.cgroup &&
           access(t->c.swept, F_OK) < 0;
}

/* ---- killing ---- */

static bool teardown_has(const struct teardown_found *all, size_t n,
                         const struct teardown_found *f)
{
    for (size_t i = 0; i < n; i++) {
        if (all[i].pid == f->pid && all[i].st.start == f->st.start)
            return true;
    }
    return false;
}

static void teardown_kill(struct teardown *t)
{
    for (size_t i = 0; i < t->n_found; i++) {
        const struct teardown_found *f = &t->found[i];
        bool again = teardown_has(t->killed, t->n_killed, f);
        if (!again)
            shmleft_look(t->c.shm, f->pid);
        if (proc_kill(f->pid, f->st.start) < 0 || again ||
            f->pid == t->c.helper) /* ours: no leftover of the job */
            continue;
        t->result.killed++;
        if (t->n_killed < TEARDOWN_FOUND)
            t->killed[t->n_killed++] = *f;
    }
    if (t->c.cgroup && t->cgroup_empty == 0)
        (void)cgroup_kill(t->c.cgroup);
}

/* ---- the verdict ---- */

static void teardown_note_left(struct teardown *t, const struct teardown_found *f)
{
    int64_t user = proc_user(f->pid);
    int pid = (int)f->pid;
    if (user >= 0 && geteuid() != 0 && (uid_t)user != geteuid())
        teardown_note(t, true, "pid %d (%s) is left: it has become user %lld's", pid,
                      f->st.name, (long long)user);
    else if (proc_has_stuck_thread(f->pid))
        teardown_note(t, true, "pid %d (%s) is left: it hangs in the kernel (state D)",
                      pid, f->st.name);
    else
        teardown_note(t, true, "pid %d (%s) in state %c is left", pid, f->st.name,
                      f->st.state);
}

static void teardown_conclude(struct teardown *t, bool clean)
{
    Aolani__NodeDone *r = &t->result;
    r->result = !clean          ? AOLANI__TEARDOWN__NOT_CLEAN
                : r->killed > 0 ? AOLANI__TEARDOWN__FORCED
                                : AOLANI__TEARDOWN__CLEAN;
    r->proven = clean;
    for (size_t i = 0; i < t->n_killed && i < 8; i++) {
        const struct teardown_found *f = &t->killed[i];
        if (!teardown_has(t->found, t->n_found, f)) /* else it does not die of it */
            teardown_note(t, false, "killed pid %d (%s)", (int)f->pid, f->st.name);
    }
    for (size_t i = 0; i < t->n_found && i < 8; i++)
        teardown_note_left(t, &t->found[i]);
    if (!t->c.cgroup)
        teardown_note(t, false, "no control group could be used");
    else if (t->cgroup_empty == 1)
        teardown_note(t, false, "control group empty");
    else if (t->cgroup_empty == 0)
        teardown_note(t, true, "control group not empty");
    else
        teardown_note(t, true, "control group: %s", strerror(-t->cgroup_empty));
    if (t->proc_error < 0)
        teardown_note(t, true, "/proc: %s", strerror(-t->proc_error));
    else if (t->n_found == 0)
        teardown_note(t, false, "no child and no marked process");
    if (teardown_is_blind(t))
        teardown_note(t, true,
                      "the keeper of the old agent was ended too: a process that "
                      "dropped its environment would not be seen");
    if (t->n_unreadable > 0)
        teardown_note(t, true,
                      "%zu processes of this user cannot be looked into, as pid "
                      "%d (%s)",
                      t->n_unreadable, (int)t->unreadable.pid, t->unreadable.st.name);
}

static bool teardown_is_clean(struct teardown *t, uint64_t past)
{
    return teardown_look(t) && (past >= TEARDOWN_SWEPT_MS || !teardown_is_blind(t));
}

static void teardown_on_tick(void *arg)
{
    struct teardown *t = arg;
    uint64_t past = loop_now_ms(t->loop) - t->began_ms;
    bool clean = teardown_is_clean(t, past);
    if (!clean && past < TEARDOWN_LIMIT_MS) {
        if (past >= TEARDOWN_LOOK_MS || t->c.recovering)
            teardown_kill(t);
        loop_timer_start(t->timer,
                         past < TEARDOWN_LOOK_MS ? TEARDOWN_QUICK_MS : TEARDOWN_TICK_MS,
                         0);
        return;
    }
    teardown_conclude(t, clean);
    t->done(t->arg);
}

int teardown_create(struct loop *l, const struct teardown_config *c,
                    void (*done)(void *arg), void *arg, struct teardown **ret,
                    struct err *e)
{
    struct teardown *t = calloc(1, sizeof *t);
    if (!t || !(t->timer = loop_timer_create(l, teardown_on_tick, t))) {
        free(t);
        return err_sys(e, -ENOMEM, "end the job's processes");
    }
    t->c = *c;
    t->loop = l;
    t->done = done;
    t->arg = arg;
    t->began_ms = loop_now_ms(l);
    aolani__node_done__init(&t->result);
    t->result.evidence = t->evidence;
    loop_timer_start(t->timer, 0, 0);
    *ret = t;
    return 0;
}

void teardown_destroy(struct teardown *t)
{
    if (!t)
        return;
    loop_timer_destroy(t->timer);
    for (size_t i = 0; i < t->result.n_evidence; i++)
        free(t->evidence[i]);
    free(t);
}

const Aolani__NodeDone *teardown_result(const struct teardown *t)
{
    return &t->result;
}
