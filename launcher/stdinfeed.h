/* SPDX-License-Identifier: MIT */
/* stdinfeed - reads the standard input of aolani-run for the rank that was to have it.
 *
 * Never more than LIMIT_STDIN_WINDOW bytes ahead of what the rank has taken. Reading
 * happens on a thread of its own, so that nothing standard input may be (a file on a
 * server that hangs, a pipe that somebody else reads too) delays a heartbeat; nobody
 * waits for that thread. In the background of a terminal nothing is read, and nobody
 * stopped: reading begins when the user brings us to the foreground.
 */
#ifndef LAUNCHER_STDINFEED_H
#define LAUNCHER_STDINFEED_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/loop.h"

struct stdinfeed;
struct stdinfeed_ops {
    /* The next bytes, at most LIMIT_STDIN_CHUNK; eof: there are no more. Negative: it
     * cannot be passed on, nothing more is read. */
    int (*send)(void *arg, uint64_t offset, const uint8_t *data, size_t len, bool eof);
    /* It could not be read any further: no end of it, and nothing more, is sent. */
    void (*failed)(void *arg, const struct err *e);
};

/* Begins at once; calls come from the loop only. fd stays the caller's, and open. */
int stdinfeed_create(struct loop *l, int fd, const struct stdinfeed_ops *ops, void *arg,
                     struct stdinfeed **ret, struct err *e);
void stdinfeed_destroy(struct stdinfeed *f);
/* What the rank's node says. ERR_PROTO: it has got what was not sent. */
int stdinfeed_taken(struct stdinfeed *f, uint64_t offset, bool closed, struct err *e);

#endif
