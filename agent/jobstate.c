/* SPDX-License-Identifier: MIT */
/* jobstate.c - see jobstate.h. STOP, END and LOST may come at any time: the head does not
 * wait for us before it gives up, and the lease waits for nobody. What comes late from
 * here (READY after STOP) is taken where it no longer matters. */
#include "agent/jobstate.h"

#include <stddef.h>

static const struct {
    enum job_state from;
    enum job_event ev;
    enum job_state to;
} table[] = {
    {JOB_IDLE, JOB_EV_PREPARE, JOB_PREPARING},
    {JOB_IDLE, JOB_EV_STOP, JOB_IDLE},
    {JOB_IDLE, JOB_EV_END, JOB_ENDING},
    {JOB_IDLE, JOB_EV_LOST, JOB_ENDING},

    {JOB_PREPARING, JOB_EV_READY, JOB_PREPARED},
    {JOB_PREPARING, JOB_EV_UNFIT, JOB_DRAINED},
    {JOB_PREPARING, JOB_EV_STOP, JOB_PREPARING},
    {JOB_PREPARING, JOB_EV_END, JOB_ENDING},
    {JOB_PREPARING, JOB_EV_LOST, JOB_ENDING},

    {JOB_PREPARED, JOB_EV_START, JOB_RUNNING},
    {JOB_PREPARED, JOB_EV_STOP, JOB_PREPARED},
    {JOB_PREPARED, JOB_EV_END, JOB_ENDING},
    {JOB_PREPARED, JOB_EV_LOST, JOB_ENDING},

    {JOB_RUNNING, JOB_EV_GONE, JOB_DRAINED},
    {JOB_RUNNING, JOB_EV_STOP, JOB_STOPPING},
    {JOB_RUNNING, JOB_EV_END, JOB_ENDING},
    {JOB_RUNNING, JOB_EV_LOST, JOB_STOPPING},

    {JOB_STOPPING, JOB_EV_GONE, JOB_DRAINED},
    {JOB_STOPPING, JOB_EV_STOP, JOB_STOPPING},
    {JOB_STOPPING, JOB_EV_END, JOB_ENDING},
    {JOB_STOPPING, JOB_EV_LOST, JOB_STOPPING},

    {JOB_DRAINED, JOB_EV_STOP, JOB_DRAINED},
    {JOB_DRAINED, JOB_EV_END, JOB_ENDING},
    {JOB_DRAINED, JOB_EV_LOST, JOB_ENDING},

    {JOB_ENDING, JOB_EV_READY, JOB_ENDING},
    {JOB_ENDING, JOB_EV_UNFIT, JOB_ENDING},
    {JOB_ENDING, JOB_EV_GONE, JOB_ENDING},
    {JOB_ENDING, JOB_EV_STOP, JOB_ENDING},
    {JOB_ENDING, JOB_EV_END, JOB_ENDING},
    {JOB_ENDING, JOB_EV_LOST, JOB_ENDING},
    {JOB_ENDING, JOB_EV_CLEARED, JOB_DONE},

    {JOB_DONE, JOB_EV_STOP, JOB_DONE},
    {JOB_DONE, JOB_EV_END, JOB_DONE},
    {JOB_DONE, JOB_EV_LOST, JOB_DONE},
};

int jobstate_next(enum job_state from, enum job_event ev)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (table[i].from == from && table[i].ev == ev)
            return (int)table[i].to;
    }
    return -1;
}

const char *jobstate_name(enum job_state s)
{
    static const char *const names[JOB_STATES] = {"idle",    "preparing", "prepared",
                                                  "running", "stopping",  "drained",
                                                  "ending",  "done"};
    return names[s];
}

const char *jobstate_event_name(enum job_event ev)
{
    static const char *const names[JOB_EVENTS] = {
        "prepare", "ready", "unfit", "start", "stop", "gone", "end", "lost", "cleared"};
    return names[ev];
}
