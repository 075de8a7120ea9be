/* SPDX-License-Identifier: MIT */
/* pmixlink - the agent's end of aolani-pmix, the helper that serves PMIx to the ranks of
 * this node. The helper may be missing or crash: then ranks run without PMIx, or their
 * collectives fail and nothing hangs. (A rank of Open MPI ends when it loses its server.) */
#ifndef AGENT_PMIXLINK_H
#define AGENT_PMIXLINK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/upward.h"
#include "proto/wire/aolani.pb-c.h"
#include "proto/base/loop.h"

struct pmixlink;

/* Start helper_path; ready comes once: status 0, or a code with the reason in e (within 10
 * s). dir: a private folder for the server's rendezvous files. */
int pmixlink_create(struct loop *l, const char *helper_path,
                    const Aolani__Prepare *plan, const char *dir,
                    const struct upward *up,
                    void (*ready)(void *arg, int status, const struct err *e),
                    void *arg, struct pmixlink **ret, struct err *e);
/* The variables that make a rank find the server; valid until destroy. */
void pmixlink_env(const struct pmixlink *p, uint32_t rank,
                  Aolani__KeyValue *const **ret, size_t *ret_n);
/* FENCE_DONE, MODEX_GET, MODEX_DATA from the head (payload already decoded by type). */
void pmixlink_message(struct pmixlink *p, enum message_type type,
                      const ProtobufCMessage *m);
void pmixlink_rank_gone(struct pmixlink *p, uint32_t rank);
pid_t pmixlink_helper(const struct pmixlink *p); /* its process id */
void pmixlink_destroy(struct pmixlink *p);       /* ends the helper */

#endif
