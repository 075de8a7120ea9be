/* SPDX-License-Identifier: MIT */
/* bundle - the programs that a node needs and that are copied there when its cache lacks
 * them: the agent, its helpers, the client library. Where they lie: libdir.h.
 */
#ifndef LAUNCHER_BUNDLE_H
#define LAUNCHER_BUNDLE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/err.h"

struct bundle {
    char *agent_path; /* owned */
    struct buf agent; /* the agent's bytes: what the node's shell stores first */
    struct buf rest;  /* "AOLP" and the files, for aolani-agent --unpack */
    char id[17];      /* hash over all of it, hexadecimal: the folder in the cache */
};

/* ERR_BOOT when the agent is not found. Helpers that were not built are left out. */
int bundle_load(struct bundle *ret, struct err *e);
void bundle_fini(struct bundle *b);

#endif
