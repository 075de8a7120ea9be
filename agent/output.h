/* SPDX-License-Identifier: MIT */
/* output - the ranks' output: node-local spool files that ranks write straight to, and
 * the follower that sends them on.
 *
 * dir/rank-0000.out and .err, mode 0600, opened O_APPEND for the rank. The follower reads
 * what is there, sends it as far as credit goes, and punches holes behind what the head
 * has acknowledged, so that disk use stays bounded; a stream with more than spool_bytes
 * undelivered loses its oldest unsent part, and OUTPUT_GAP says so. Ranks never wait for
 * any of this. The spool survives the agent: output_adopt goes on with what one left.
 */
#ifndef AGENT_OUTPUT_H
#define AGENT_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/upward.h"
#include "proto/base/loop.h"

struct output;

/* dir exists and is ours. done: everything was sent and acknowledged after output_finish.
 * Follows on a timer of its own while anything is open. */
int output_create(struct loop *l, const char *dir, uint64_t spool_bytes,
                  const struct upward *up, void (*done)(void *arg), void *arg,
                  struct output **ret, struct err *e);
void output_destroy(struct output *o); /* files stay */

/* Make the two spool files of a rank; ret_fd are for the child (close them after fork). */
int output_open_rank(struct output *o, uint32_t rank, int ret_fd[2], struct err *e);
/* After an agent died: take up every spool file in dir from its first byte that is left.
 * Returns how many streams; what cannot be taken up is logged and left. */
int output_adopt(struct output *o, struct err *e);
/* No process can write any more: send the rest, OUTPUT_END for each stream, then done. */
void output_finish(struct output *o);
/* From the session. */
void output_acked(struct output *o, uint64_t seq);
void output_credit(struct output *o);

#endif
