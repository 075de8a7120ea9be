/* SPDX-License-Identifier: MIT */
/* topofacts - a node's description as far as the agent vouches for it. Pure.
 *
 * What aolani-describe said was written by another program, perhaps with other files in
 * view (HWLOC_XMLFILE): where it contradicts what the agent knows itself, which CPUs it may
 * use, the agent is right. Messages are built of malloc'ed parts, for free_unpacked.
 */
#ifndef AGENT_TOPOFACTS_H
#define AGENT_TOPOFACTS_H

#include "agent/host.h"
#include "proto/base/err.h"
#include "proto/wire/aolani.pb-c.h"

/* The message, cut to the CPUs that the agent may use. ERR_PARSE, ERR_LIMIT: it is none, or
 * says what cannot be; *ret is untouched. */
int topofacts_read(const uint8_t *bytes, size_t len, const struct host *h,
                   Aolani__Topology **ret, struct err *e);
/* What is said in its place: cores alone, and why no more is known. NULL: no memory. */
Aolani__Topology *topofacts_own(const struct host *h, const struct err *why);

#endif
