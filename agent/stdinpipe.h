/* SPDX-License-Identifier: MIT */
/* stdinpipe - the standard input of the one rank that was given the head's.
 *
 * A pipe; what the pipe does not take yet waits here, at most LIMIT_STDIN_WINDOW bytes.
 * STDIN_TAKEN tells the head how far the rank's pipe has it, and that nobody reads it any
 * more. Never blocks, and keeps no rank from ending.
 */
#ifndef AGENT_STDINPIPE_H
#define AGENT_STDINPIPE_H

#include <stdint.h>

#include "agent/upward.h"
#include "proto/base/loop.h"
#include "proto/wire/aolani.pb-c.h"

struct stdinpipe;

/* up is kept by reference. */
int stdinpipe_create(struct loop *l, uint32_t rank, const struct upward *up,
                     struct stdinpipe **ret, struct err *e);
void stdinpipe_destroy(struct stdinpipe *p); /* the rank reads an end of file */
/* For descriptor 0 of this rank, -1 for another one; not the caller's to close. */
int stdinpipe_fd_for(const struct stdinpipe *p, uint32_t rank);
/* The rank has its descriptor, or never will: from now on its end is the only one. */
void stdinpipe_handed_over(struct stdinpipe *p);
/* ERR_PROTO: another rank, out of order, after the end, or more than the window. */
int stdinpipe_message(struct stdinpipe *p, const Aolani__Stdin *m, struct err *e);
void stdinpipe_rank_ended(struct stdinpipe *p);

#endif
