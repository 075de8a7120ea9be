/* SPDX-License-Identifier: MIT */
/* jobstate.c - see jobstate.h. */
#include "launcher/jobstate.h"

static const struct {
    enum job_state from;
    enum job_event ev;
    enum job_state to;
} table[] = {
    {JOB_BOOTING, JOB_EV_ALL_UP, JOB_AUDITING},
    {JOB_BOOTING, JOB_EV_DESCRIBED, JOB_ENDING},
    {JOB_BOOTING, JOB_EV_FAILED, JOB_ENDING},
    {JOB_BOOTING, JOB_EV_STOP_ASKED, JOB_ENDING},
    {JOB_BOOTING, JOB_EV_KILL_ASKED, JOB_ENDING},

    {JOB_AUDITING, JOB_EV_AUDITED, JOB_PREPARING},
    {JOB_AUDITING, JOB_EV_FAILED, JOB_ENDING},
    {JOB_AUDITING, JOB_EV_STOP_ASKED, JOB_ENDING},
    {JOB_AUDITING, JOB_EV_KILL_ASKED, JOB_ENDING},

    {JOB_PREPARING, JOB_EV_ALL_PREPARED, JOB_COMMITTING},
    {JOB_PREPARING, JOB_EV_CHECKED, JOB_TRYING},
    {JOB_PREPARING, JOB_EV_FAILED, JOB_ENDING},
    {JOB_PREPARING, JOB_EV_STOP_ASKED, JOB_ENDING},
    {JOB_PREPARING, JOB_EV_KILL_ASKED, JOB_ENDING},

    {JOB_TRYING, JOB_EV_TRIED, JOB_ENDING},
    {JOB_TRYING, JOB_EV_FAILED, JOB_ENDING},
    {JOB_TRYING, JOB_EV_STOP_ASKED, JOB_ENDING},
    {JOB_TRYING, JOB_EV_KILL_ASKED, JOB_ENDING},

    {JOB_COMMITTING, JOB_EV_DURABLE, JOB_RUNNING},
    {JOB_COMMITTING, JOB_EV_FAILED, JOB_ENDING},
    {JOB_COMMITTING, JOB_EV_STOP_ASKED, JOB_ENDING},
    {JOB_COMMITTING, JOB_EV_KILL_ASKED, JOB_ENDING},

    {JOB_RUNNING, JOB_EV_ALL_ENDED, JOB_ENDING},
    {JOB_RUNNING, JOB_EV_FAILED, JOB_STOPPING},
    {JOB_RUNNING, JOB_EV_STOP_ASKED, JOB_STOPPING},
    {JOB_RUNNING, JOB_EV_KILL_ASKED, JOB_KILLING},

    {JOB_STOPPING, JOB_EV_ALL_ENDED, JOB_ENDING},
    {JOB_STOPPING, JOB_EV_KILL_ASKED, JOB_KILLING},
    {JOB_STOPPING, JOB_EV_GRACE_OVER, JOB_KILLING},

    {JOB_KILLING, JOB_EV_ALL_ENDED, JOB_ENDING},
    {JOB_KILLING, JOB_EV_GRACE_OVER, JOB_ENDING},

    {JOB_ENDING, JOB_EV_ALL_DONE, JOB_CLOSED},
};

enum job_state jobstate_next(enum job_state from, enum job_event ev)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (table[i].from == from && table[i].ev == ev)
            return table[i].to;
    }
    return from;
}

#define NAME(name) #name,

const char *jobstate_name(enum job_state s)
{
    static const char *const names[] = {JOB_STATES(NAME)};
    return names[s];
}

const char *jobstate_event_name(enum job_event ev)
{
    static const char *const names[] = {JOB_EVENTS(NAME)};
    return names[ev];
}
