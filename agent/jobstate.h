/* SPDX-License-Identifier: MIT */
/* jobstate - the life of a job on one node, as a table. Pure; what is to be done in a
 * state is job.c's. */
#ifndef AGENT_JOBSTATE_H
#define AGENT_JOBSTATE_H

enum job_state {
    JOB_IDLE,      /* described to the head; no job yet */
    JOB_PREPARING, /* folders made; waiting for the PMIx server */
    JOB_PREPARED,
    JOB_RUNNING,
    JOB_STOPPING, /* ranks were asked to end */
    JOB_DRAINED,  /* no rank is alive, or none ever was */
    JOB_ENDING,   /* teardown, the rest of the output, removal */
    JOB_DONE,
};
#define JOB_STATES (JOB_DONE + 1)

enum job_event {
    JOB_EV_PREPARE, /* from the head */
    JOB_EV_READY,   /* prepared */
    JOB_EV_UNFIT,   /* cannot be prepared */
    JOB_EV_START,   /* from the head */
    JOB_EV_STOP,    /* from the head */
    JOB_EV_GONE,    /* the last rank has ended */
    JOB_EV_END,     /* from the head */
    JOB_EV_LOST,    /* the lease is over, or the agent was told to end */
    JOB_EV_CLEARED, /* all of ENDING is done */
};
#define JOB_EVENTS (JOB_EV_CLEARED + 1)

/* The state after ev, or -1: that cannot happen there. */
int jobstate_next(enum job_state from, enum job_event ev);
const char *jobstate_name(enum job_state s);
const char *jobstate_event_name(enum job_event ev);

#endif
