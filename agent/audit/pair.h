/* SPDX-License-Identifier: MIT */
/* pair - the way between two nodes, measured by one process on each: round trips of a few
 * bytes, then as much as goes through, there and back. Over TCP; over an HCA where both ends
 * name one and have libibverbs, with the TCP connection to agree on it.
 *
 * Who listens takes one partner, by its token, within its time. Blocking, with deadlines.
 */
#ifndef AGENT_AUDIT_PAIR_H
#define AGENT_AUDIT_PAIR_H

#include "proto/base/err.h"
#include "proto/wire/aolani.pb-c.h"

#define PAIR_TOKEN_BYTES 32u

struct pair_listener;
/* *ret_port: where. -errno: the address is not of this node, ... */
int pair_listen(const Aolani__AuditListen *ask, struct pair_listener **ret,
                uint32_t *ret_port, struct err *e);
/* Waits for the partner and does what it says; ends the listener in any case. */
int pair_serve(struct pair_listener *l, struct err *e);
/* *ret is the caller's. */
int pair_reach(const Aolani__AuditReach *ask, Aolani__AuditPair **ret, struct err *e);

#endif
