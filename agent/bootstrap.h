/* SPDX-License-Identifier: MIT */
/* bootstrap - what an agent is told on its standard input before anything else: the key
 * of its node, where the head is, and how long to live without it. */
#ifndef AGENT_BOOTSTRAP_H
#define AGENT_BOOTSTRAP_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"
#include "proto/wire/aolani.pb-c.h"

/* Read exactly "AOLB", u32 length, Boot: not a byte of what follows, which is the
 * session's. Free with bootstrap_free, which wipes the key. skip: so many bytes that are
 * for other nodes may come first, whole (of one text for many); 0: none. */
int bootstrap_read(int fd, uint64_t skip, Aolani__Boot **ret, struct err *e);
void bootstrap_free(Aolani__Boot *b);

/* Checks what protobuf does not: sizes, and that the node is one of the job's. Fills in
 * what may be left out. Pure. */
int bootstrap_check(Aolani__Boot *b, struct err *e);
/* Of a checked one: become what the group says of this node (SLURMD_NODENAME; NULL: it
 * has no name). Index and name are set, and the job's key becomes the node's own. 0: as it
 * was, or done. BOOTSTRAP_NOT_MEANT: the group does not have this node. */
#define BOOTSTRAP_NOT_MEANT 1
int bootstrap_find_self(Aolani__Boot *b, const char *node, struct err *e);

/* Exactly len bytes. ERR_PROTO: the input ended before. Also used for bundles. */
int bootstrap_read_exactly(int fd, void *buf, size_t len, struct err *e);

#endif
