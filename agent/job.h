/* SPDX-License-Identifier: MIT */
/* job - this node's part of one attempt of a job, from Prepare to NodeDone.
 *
 * Also of one that another agent of this node left behind when it died (recovering): then
 * its processes are ended at once, and after End what it had not delivered is sent, its
 * files are removed, and NodeDone says how that went. One per agent; after `over` the
 * agent exits.
 */
#ifndef AGENT_JOB_H
#define AGENT_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/host.h"
#include "agent/upward.h"
#include "proto/base/loop.h"
#include "proto/wire/envelope.h"

struct job;
struct job_ops {
    void (*phase)(void *arg, enum phase phase);   /* of the session, from now on */
    void (*attempt)(void *arg, uint32_t attempt); /* of what is sent from now on */
    /* Nothing of the job is left, as far as can be; the head knows it, or is out of
     * reach. Never from within a call of this module. */
    void (*over)(void *arg);
};
struct job_config { /* by reference; must outlive the job */
    struct loop *loop;
    const struct upward *up;
    const struct host *host;
    uint8_t run_id[8];
    uint32_t node;
    bool recovering;
};

int job_create(const struct job_config *c, const struct job_ops *ops, void *arg,
               struct job **ret, struct err *e);
void job_destroy(struct job *j);

/* From the session; as in session_ops. */
int job_message(struct job *j, const struct envelope *v, struct err *e);
void job_acked(struct job *j, uint64_t seq);
void job_credit(struct job *j);

/* The lease is over, or the agent was told to end: stop the ranks, with little grace,
 * remove everything, over. linked: the head may still take the output. */
void job_abandon(struct job *j, bool linked);

#endif
