/* SPDX-License-Identifier: MIT */
/* jobstate - the life of a job at the head, as a table. Pure: what happens (an event)
 * gives the next state and the one action to take on entering it. Events that a state has
 * no row for change nothing there.
 */
#ifndef LAUNCHER_JOBSTATE_H
#define LAUNCHER_JOBSTATE_H

#include <stddef.h>

#define JOB_STATES(X)                                                         \
    X(BOOTING)    /* agents are being started */                              \
    X(AUDITING)   /* the nodes are asked whether they are what is required */ \
    X(PREPARING)  /* PREPARE was sent */                                      \
    X(TRYING)     /* a check: the nodes try the way to MASTER_PORT */         \
    X(COMMITTING) /* the start is being written to the journal */             \
    X(RUNNING)    /* START was sent */                                        \
    X(STOPPING)   /* STOP was sent: TERM, then the grace */                   \
    X(KILLING)    /* STOP without grace was sent */                           \
    X(ENDING)     /* END was sent: output is drained, the teardown proven */  \
    X(CLOSED)

#define JOB_EVENTS(X)                                                      \
    X(ALL_UP)    /* every agent has described its node */                  \
    X(DESCRIBED) /* the same, and that is all that is wanted */            \
    X(AUDITED)   /* they are, or nothing is required */                    \
    X(ALL_PREPARED)                                                        \
    X(CHECKED)    /* all prepared, and no rank shall be started */         \
    X(TRIED)      /* every node has said whether it reaches MASTER_PORT */ \
    X(DURABLE)    /* the journal has the start */                          \
    X(ALL_ENDED)  /* no rank is alive, as far as can be known */           \
    X(FAILED)     /* a rank failed, a node was lost, a step went wrong */  \
    X(STOP_ASKED) /* the user, the time limit */                           \
    X(KILL_ASKED) /* the user again */                                     \
    X(GRACE_OVER) /* ranks still live after the grace */                   \
    X(ALL_DONE)   /* every node has answered END or is given up */

#define JOB_STATE_ENUM(name) JOB_##name,
enum job_state { JOB_STATES(JOB_STATE_ENUM) };
#define JOB_EVENT_ENUM(name) JOB_EV_##name,
enum job_event { JOB_EVENTS(JOB_EVENT_ENUM) };

/* The state after the event (the same: nothing to do). */
enum job_state jobstate_next(enum job_state from, enum job_event ev);
const char *jobstate_name(enum job_state s);
const char *jobstate_event_name(enum job_event ev);

#endif
