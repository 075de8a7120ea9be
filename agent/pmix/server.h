/* SPDX-License-Identifier: MIT */
/* server - PMIx for the ranks of this node: between the library and the agent. */
#ifndef AGENT_PMIX_SERVER_H
#define AGENT_PMIX_SERVER_H

#include "proto/base/loop.h"

struct server;
/* fd: the socket to the agent, taken over. Stops the loop when the agent says so, closes
 * it, or breaks the protocol. One server per process: PMIx has only one. */
int server_create(struct loop *l, int fd, struct server **ret, struct err *e);
void server_destroy(struct server *s); /* shuts the library down */

#endif
