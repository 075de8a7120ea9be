/* SPDX-License-Identifier: MIT */
/* masterport - MASTER_PORT: reserved on rank 0's node until the ranks start, and found
 * again where another program was quicker than rank 0.
 *
 * From outside the range that the kernel hands out to clients (any program's next
 * connection may get one of those), above the privileged ones, and none that the
 * administrator reserved. The search begins at a random place, so that two jobs of one
 * host hardly want the same.
 */
#ifndef AGENT_MASTERPORT_H
#define AGENT_MASTERPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"
#include "proto/base/rankset.h"

struct masterport {
    int fd; /* holds it; -1: nothing is held */
    uint32_t port;
    bool ephemeral; /* no other was free: a client may get it before rank 0 does */
};

/* Bound on every address of IPv4 and IPv6, not listened on: nobody else gets it, and a
 * rank can take it as soon as it is released. */
int masterport_reserve(struct masterport *ret, struct err *e);
void masterport_release(struct masterport *p);

/* Does a process that is no descendant of this one listen there? False also when that
 * cannot be known. */
bool masterport_is_taken(uint32_t port);

/* ---- the parts, for tests ---- */

/* range: as in ip_local_port_range, reserved: ip_local_reserved_ports; what does not parse
 * excludes nothing. -ENOMEM. */
int masterport_candidates(const char *range, const char *reserved, struct rankset *ret);
/* One of the candidates, searched from number `seed` (modulo) on; an ephemeral one if all are in use. */
int masterport_reserve_of(const struct rankset *candidates, uint32_t seed,
                          struct masterport *ret, struct err *e);
/* A line of /proc/net/tcp or tcp6: the inode of the socket that listens on the port; 0: the
 * line is about something else. */
uint64_t masterport_listener(const char *line, uint32_t port);

#endif
