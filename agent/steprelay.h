/* SPDX-License-Identifier: MIT */
/* steprelay - the step rings of a node's ranks, drained ten times a second into STEPS
 * messages, and with them what the agent itself found of steps. When credit is short the
 * oldest raw records are dropped and counted. */
#ifndef AGENT_STEPRELAY_H
#define AGENT_STEPRELAY_H

#include <stdint.h>

#include "agent/upward.h"
#include "proto/base/loop.h"
#include "proto/wire/steprec.h"

struct steprelay;

/* dir: on tmpfs where there is one ("/dev/shm/aolani-..."), exists and is ours. */
int steprelay_create(struct loop *l, const char *dir, const struct upward *up,
                     struct steprelay **ret, struct err *e);
void steprelay_destroy(struct steprelay *r); /* removes the ring files */
/* Make a rank's ring; *ret_path (owned by r) is for AOLANI_STEP_PATH. */
int steprelay_open_rank(struct steprelay *r, uint32_t rank, const char **ret_path,
                        struct err *e);
/* A record that the agent made itself; its rank is set here. 0; 1: the oldest of those
 * that wait was lost for it, and is counted; -ENOENT: no such rank was opened. */
int steprelay_add(struct steprelay *r, uint32_t rank, const struct steprec *rec);
/* The rank was stopped by a signal at from_ns, if to_ns is the same: the record of that
 * time is flagged. Or at some time between them: those that show a sleep are. What is
 * remembered is the last STEPRELAY_STOPS of a rank, for records that are still to come. */
#define STEPRELAY_STOPS 64u
void steprelay_stopped(struct steprelay *r, uint32_t rank, uint64_t from_ns,
                       uint64_t to_ns);
/* Called before rings are read, so that it can tell of stops which the records in them
 * may contain. */
void steprelay_before_drain(struct steprelay *r, void (*look)(void *arg), void *arg);
void steprelay_request_stop(struct steprelay *r); /* aolani_stop_requested turns true */
/* Send all that the rings hold now. 0, or -EAGAIN: credit ran out, call again. */
int steprelay_flush(struct steprelay *r);

#endif
