/* SPDX-License-Identifier: MIT */
/* node - the agent as a whole: its session, its one job, and the signals that end it. */
#ifndef AGENT_NODE_H
#define AGENT_NODE_H

#include "proto/base/err.h"
#include "proto/wire/aolani.pb-c.h"

/* Run until the job is over. in_fd, out_fd: the starter's channel, taken over. 0, or why
 * it could not begin. */
int node_run(const Aolani__Boot *boot, int in_fd, int out_fd, struct err *e);

#endif
