/* SPDX-License-Identifier: MIT */
/* ringfile - the agent's end of a step ring (proto/wire/steprec.h).
 *
 * The other end is a program of the user, which may do anything to the file. It is read and
 * written by system calls and never mapped here: a page of a mapping that the program has
 * truncated away would end the agent by SIGBUS.
 */
#ifndef AGENT_RINGFILE_H
#define AGENT_RINGFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/err.h"
#include "proto/wire/steprec.h"

struct ringfile {
    int fd;
    uint64_t head, dropped; /* as last seen */
    bool others;            /* likewise: another process marks too */
    uint64_t tail;          /* ours; what the file says of it is for the program */
};

/* Make the file (mode 0600); it replaces one of the same path. */
int ringfile_create(const char *path, struct ringfile *ret, struct err *e);
void ringfile_close(struct ringfile *r); /* the file stays */

/* Look at it: how many records wait. 0 also when it cannot be read any more. */
uint64_t ringfile_fill(struct ringfile *r);
/* As ring_pop. scratch: a ring of anything, overwritten. */
unsigned ringfile_pop(struct ringfile *r, struct ring *scratch,
                      uint8_t (*out)[STEPREC_BYTES], unsigned max, uint64_t *ret_lost);
void ringfile_request_stop(const struct ringfile *r);

#endif
