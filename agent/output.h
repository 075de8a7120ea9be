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
/* Show what ranks write as soon as it is seen, however far the head is behind: data was
 * written by t_ns (CLOCK_MONOTONIC), its end after what was shown before. len 0: there was
 * more than OUTPUT_SHOWN at once, and some is left out here. Not of adopted files. */
#define OUTPUT_SHOWN (64u << 10)
void output_watch(struct output *o,
                  void (*show)(void *arg, uint32_t rank, unsigned stream,
                               const void *data, size_t len, uint64_t t_ns),
                  void *arg);
void output_look(struct output *o); /* show what there is now */
/* No process can write any more: send the rest, OUTPUT_END for each stream, then done. */
void output_finish(struct output *o);
/* From the session. */
void output_acked(struct output *o, uint64_t seq);
void output_credit(struct output *o);

#endif
