/* SPDX-License-Identifier: MIT */
/* ncclhear - what NCCL says of its networks, and warns of, in files of its own: ranks are
 * given NCCL_DEBUG_FILE where the user leaves NCCL_DEBUG alone, so that a silent fall back to
 * sockets is known and the ranks' output stays theirs.
 *
 * Each process of a rank has a file, in the job's folder of shared memory. It is read once a
 * second; what has been read takes no memory any longer, though the file's length stays. */
#ifndef AGENT_NCCLHEAR_H
#define AGENT_NCCLHEAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/upward.h"
#include "proto/base/err.h"

struct ncclhear;

/* dir: by reference; of ranks first to first + n - 1. */
int ncclhear_create(const char *dir, uint32_t first, uint32_t n,
                    const struct upward *up, struct ncclhear **ret, struct err *e);
void ncclhear_destroy(struct ncclhear *h); /* takes NULL */
/* The value of NCCL_DEBUG_FILE. -ENAMETOOLONG; -EINVAL: NCCL would take a part of dir for
 * something else. */
int ncclhear_path(const struct ncclhear *h, uint32_t rank, char *ret, size_t len);
/* Ten times a second. The head is told of a rank when it has said no more for 1 s; is_last: of
 * all that have said something new, at once. */
void ncclhear_tick(struct ncclhear *h, uint64_t now_ns, bool is_last);

#endif
