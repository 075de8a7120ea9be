/* SPDX-License-Identifier: MIT */
/* task - one rank as a process: from fork to exit, as a table.
 *
 * Forked is not yet started: whether the program was executed comes through the spawn
 * pipe, before or after the exit does. A task is settled once that is known.
 */
#ifndef AGENT_TASK_H
#define AGENT_TASK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "agent/spawn.h"
#include "proto/base/loop.h"

enum task_state {
    TASK_NEW,
    TASK_STARTING, /* forked */
    TASK_RUNNING,  /* the program was executed */
    TASK_STOPPING, /* we have sent TERM or KILL */
    TASK_DONE,     /* waited for, or never forked */
};
enum task_event {
    TASK_EV_FORKED,
    TASK_EV_EXECUTED,
    TASK_EV_FAILED, /* to fork or to execute */
    TASK_EV_STOP,
    TASK_EV_EXITED,
};
#define TASK_STATES (TASK_DONE + 1)
#define TASK_EVENTS (TASK_EV_EXITED + 1)
int task_next(enum task_state from, enum task_event ev); /* -1: cannot happen there */

struct task {
    uint32_t rank;
    const char *cpus; /* of the plan; "" not bound */
    enum task_state state;
    pid_t pid;
    struct spawn_outcome outcome;
    uint64_t t_exec_ns, t_exit_ns;
    int wait_status;
    struct rusage usage;
    bool settled;     /* executed or failed: known */
    bool ended_by_us; /* it ended after our TERM or KILL */
    bool aborted;     /* MPI_Abort */
    int abort_status;
    int report_fd; /* -1: closed */
    struct loop_watch *watch;
    void (*on_settled)(void *arg, struct task *t);
    void *arg;
};

void task_init(struct task *t, uint32_t rank, const char *cpus,
               void (*on_settled)(void *arg, struct task *t), void *arg);
void task_fini(struct task *t); /* does not end the process */
/* On failure no process runs, or is about to: the task is settled and done, or its exit
 * follows. */
int task_start(struct task *t, struct loop *l, const struct spawn_spec *s,
               struct err *e);
/* It was not even tried: settled and done. */
void task_refuse(struct task *t, int error);
/* From reap. Settles the task if it was not. */
void task_exited(struct task *t, int wait_status, const struct rusage *usage);
/* To the process group; ESRCH is no failure. stop: the end will be our doing. */
int task_signal(struct task *t, int signum, bool stop);
static inline bool task_is_alive(const struct task *t)
{
    return t->state != TASK_NEW && t->state != TASK_DONE;
}

#endif
