/* SPDX-License-Identifier: MIT */
/* steprelay - the step rings of a node's ranks, drained ten times a second into STEPS
 * messages. When credit is short the oldest raw records are dropped and counted. */
#ifndef AGENT_STEPRELAY_H
#define AGENT_STEPRELAY_H

#include <stdint.h>

#include "agent/upward.h"
#include "proto/base/loop.h"

struct steprelay;

/* dir: on tmpfs where there is one ("/dev/shm/aolani-..."), exists and is ours. */
int steprelay_create(struct loop *l, const char *dir, const struct upward *up,
                     struct steprelay **ret, struct err *e);
void steprelay_destroy(struct steprelay *r); /* removes the ring files */
/* Make a rank's ring; *ret_path (owned by r) is for AOLANI_STEP_PATH. */
int steprelay_open_rank(struct steprelay *r, uint32_t rank, const char **ret_path,
                        struct err *e);
void steprelay_request_stop(struct steprelay *r); /* aolani_stop_requested turns true */
/* Send all that the rings hold now. 0, or -EAGAIN: credit ran out, call again. */
int steprelay_flush(struct steprelay *r);

#endif
