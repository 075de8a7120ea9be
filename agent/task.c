/* SPDX-License-Identifier: MIT */
/* task.c - see task.h. */
#include "agent/task.h"

#include "proto/base/clock.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static const struct {
    enum task_state from;
    enum task_event ev;
    enum task_state to;
} table[] = {
    {TASK_NEW, TASK_EV_FORKED, TASK_STARTING},
    {TASK_NEW, TASK_EV_FAILED, TASK_DONE},

    {TASK_STARTING, TASK_EV_EXECUTED, TASK_RUNNING},
    {TASK_STARTING, TASK_EV_FAILED, TASK_STARTING}, /* the child is about to exit */
    {TASK_STARTING, TASK_EV_STOP, TASK_STOPPING},
    {TASK_STARTING, TASK_EV_EXITED, TASK_DONE},

    {TASK_RUNNING, TASK_EV_STOP, TASK_STOPPING},
    {TASK_RUNNING, TASK_EV_EXITED, TASK_DONE},

    {TASK_STOPPING, TASK_EV_EXECUTED, TASK_STOPPING},
    {TASK_STOPPING, TASK_EV_FAILED, TASK_STOPPING},
    {TASK_STOPPING, TASK_EV_STOP, TASK_STOPPING},
    {TASK_STOPPING, TASK_EV_EXITED, TASK_DONE},
};

int task_next(enum task_state from, enum task_event ev)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (table[i].from == from && table[i].ev == ev)
            return (int)table[i].to;
    }
    return -1;
}

static void task_move(struct task *t, enum task_event ev)
{
    int to = task_next(t->state, ev);
    assert(to >= 0);
    t->state = (enum task_state)to;
}

void task_init(struct task *t, uint32_t rank, const char *cpus,
               void (*on_settled)(void *arg, struct task *t), void *arg)
{
    *t = (struct task){.rank = rank,
                       .cpus = cpus,
                       .report_fd = -1,
                       .on_settled = on_settled,
                       .arg = arg};
}

static void task_close_report(struct task *t)
{
    loop_watch_destroy(t->watch);
    t->watch = NULL;
    if (t->report_fd >= 0)
        close(t->report_fd);
    t->report_fd = -1;
}

void task_fini(struct task *t)
{
    task_close_report(t);
}

static void task_settle(struct task *t)
{
    task_close_report(t);
    t->settled = true;
    t->t_exec_ns = clock_mono_ns();
    task_move(t, t->outcome.call ? TASK_EV_FAILED : TASK_EV_EXECUTED);
    t->on_settled(t->arg, t);
}

static void task_on_report(int events, void *arg)
{
    struct task *t = arg;
    (void)events;
    if (spawn_outcome_read(t->report_fd, &t->outcome) == 1)
        task_settle(t);
}

void task_refuse(struct task *t, int error)
{
    t->outcome = (struct spawn_outcome){.call = SPAWN_EXEC, .error = error};
    t->wait_status = 126 << 8; /* as a shell says it */
    t->t_exit_ns = clock_mono_ns();
    task_settle(t);
}

int task_start(struct task *t, struct loop *l, const struct spawn_spec *s,
               struct err *e)
{
    int rc = spawn_start(s, &t->pid, &t->report_fd, e);
    if (rc < 0) {
        task_refuse(t, -rc);
        return rc;
    }
    task_move(t, TASK_EV_FORKED);
    t->watch = loop_watch_create(l, t->report_fd, task_on_report, t);
    if (t->watch) {
        loop_watch_set(t->watch, LOOP_READ);
        return 0;
    }
    /* Without the watch nobody would hear of its start. */
    (void)kill(t->pid, SIGKILL);
    return err_sys(e, -ENOMEM, "watch the start of rank %u", t->rank);
}

void task_exited(struct task *t, int wait_status, const struct rusage *usage)
{
    t->t_exit_ns = clock_mono_ns();
    t->wait_status = wait_status;
    t->usage = *usage;
    t->ended_by_us = t->state == TASK_STOPPING;
    if (!t->settled) {
        /* Its end of the pipe is closed: what there is to read is there. */
        (void)spawn_outcome_read(t->report_fd, &t->outcome);
        task_settle(t);
    }
    task_move(t, TASK_EV_EXITED);
}

int task_signal(struct task *t, int signum, bool stop)
{
    if (!task_is_alive(t))
        return 0;
    if (stop)
        task_move(t, TASK_EV_STOP);
    /* Until the child has made its group there is none, but there is the child. */
    if (kill(-t->pid, signum) < 0 && errno == ESRCH && kill(t->pid, signum) < 0 &&
        errno != ESRCH)
        return -errno;
    return 0;
}
