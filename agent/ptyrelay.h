/* SPDX-License-Identifier: MIT */
/* ptyrelay - standard output of ranks by pseudo-terminal, so that programs which would
 * buffer it write line by line; what they write goes into the same spool files.
 *
 * Raw, so that no byte is changed, and never a controlling terminal: its end hangs nobody
 * up. The price, and why it is only done on request: a rank waits when this agent does
 * not read (a pseudo-terminal holds a few KiB), and what an agent had not read is lost
 * with it. Standard error stays a file: C programs do not buffer it, and on one terminal
 * the two streams could not be told apart.
 */
#ifndef AGENT_PTYRELAY_H
#define AGENT_PTYRELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/loop.h"

struct ptyrelay;
/* Fails where this host has not as many pseudo-terminals. warn: once per rank at most. */
int ptyrelay_create(struct loop *l, size_t n_ranks,
                    void (*warn)(void *arg, const struct err *e), void *arg,
                    struct ptyrelay **ret, struct err *e);
void ptyrelay_destroy(struct ptyrelay *r);
/* *fd is the rank's spool file, open for appending. It is taken over, and *fd becomes the
 * terminal for the child; to be closed by the caller once the child has it. On failure
 * *fd stays as it is. */
int ptyrelay_open_rank(struct ptyrelay *r, uint32_t rank, int *fd, struct err *e);
/* No process can write any more. True: all that was written is in the spool, or cannot be
 * brought there; false: ask again soon. */
bool ptyrelay_finish(struct ptyrelay *r);

#endif
