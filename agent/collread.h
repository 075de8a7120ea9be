/* SPDX-License-Identifier: MIT */
/* collread - the agent's end of the file in which a rank's profiler plug-in tells of
 * collectives (proto/wire/collrec.h).
 *
 * As with the step ring the other end is a program of the user, which may do anything to
 * the file: it is read and written by system calls and never mapped here.
 */
#ifndef AGENT_COLLREAD_H
#define AGENT_COLLREAD_H

#include <stdint.h>

#include "proto/base/err.h"
#include "proto/wire/collrec.h"

struct collread_lane {
    uint64_t head; /* as last seen */
    uint64_t tail; /* ours; what the file says of it is for the plug-in */
};
struct collread {
    int fd;
    uint32_t gen; /* of the wish, even */
    /* As last seen, whatever they are worth: */
    uint32_t n_lanes, nccl_version;
    uint32_t library, no_times; /* as in struct collfile */
    struct collread_lane lane[COLL_LANES];
};

/* What is wished; see struct collwish. */
struct collread_wish {
    enum coll_depth depth;
    uint32_t deep_every, deep_n;
    uint64_t anchor_comm;
    uint32_t anchor_key;
};

/* Make the file (mode 0600); it replaces one of the same path. */
int collread_create(const char *path, struct collread *ret, struct err *e);
void collread_close(struct collread *r); /* the file stays */

void collread_look(struct collread *r); /* how far the lanes are now */
/* Records of a lane that wait, at most max; they wait on until they are taken. *ret_lost:
 * those that its producer has lost by writing rubbish over its position. */
unsigned collread_peek(struct collread *r, unsigned lane, uint8_t (*out)[COLLREC_BYTES],
                       unsigned max, uint64_t *ret_lost);
void collread_take(struct collread *r, unsigned lane, unsigned n);
void collread_wish(struct collread *r, const struct collread_wish *w);

#endif
