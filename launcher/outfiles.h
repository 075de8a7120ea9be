/* SPDX-License-Identifier: MIT */
/* outfiles - the ranks' output at the head: attempt-<k>/rank-<0000>.{out,err}, exact
 * bytes at their offsets (so a chunk that comes twice changes nothing), in segments where
 * the job asks for that (outrotate), and the copy on the launcher's own stdout and stderr,
 * labelled "node:rank: " line by line with -l.
 *
 * Never blocks on the terminal or pipe, nor on the file system: what the reader of stdout
 * has not taken and what is not yet written queues here, and outfiles_backlog tells the
 * caller to hold back credit. (Past LIMIT_OUTPUT_QUEUE it waits: a last resort for the
 * first credit of very many nodes.) A full disk is waited for, see outwriter; what is lost
 * in the end is said when it begins, kept by range, and the run goes on.
 */
#ifndef LAUNCHER_OUTFILES_H
#define LAUNCHER_OUTFILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "launcher/outrotate.h"
#include "proto/base/err.h"
#include "proto/base/loop.h"

/* Enough for the writer and a reader to have work while more is on its way from the nodes. */
#define OUTFILES_LOW_WATER (4u << 20)

struct outfiles;
struct outfiles_config {
    const char *dir; /* .../attempt-<k>, exists */
    uint32_t world_size;
    const char *const *node_of_rank; /* names for labels; kept by reference */
    bool label;
    struct outrotate rotate;
    int stdout_fd, stderr_fd; /* dup'ed; -1: no copy */
    /* May be NULL: bytes are about to go to stdout (0) or stderr (1). */
    void (*copying)(void *arg, int stream, bool ends_line);
    void *arg;
};
int outfiles_create(struct loop *l, const struct outfiles_config *c,
                    struct outfiles **ret, struct err *e);
/* stream 0: out, 1: err. Bytes already written (offset below what is there) are written
 * to the file again but not copied to stdout twice. */
void outfiles_write(struct outfiles *o, uint32_t rank, int stream, uint64_t offset,
                    const void *data, size_t len);
/* These bytes will never come; the file keeps a hole there. False: that was known. */
bool outfiles_gap(struct outfiles *o, uint32_t rank, int stream, uint64_t offset,
                  uint64_t length);
/* The bytes just before `offset` that neither came nor are known to be lost: from now on they
 * are. Their number; an agent that takes up another's output says nothing of them. */
uint64_t outfiles_hole(struct outfiles *o, uint32_t rank, int stream, uint64_t offset);
size_t outfiles_backlog(const struct outfiles *o);   /* not yet taken or written */
size_t outfiles_unwritten(const struct outfiles *o); /* of the backlog, the files' */
/* drained: called whenever the backlog falls below OUTFILES_LOW_WATER. */
void outfiles_on_drain(struct outfiles *o, void (*drained)(void *arg), void *arg);
/* The last part of a stream without a newline goes out too (its label kept whole). */
void outfiles_end(struct outfiles *o, uint32_t rank, int stream);
/* The ranks have ended: from now on a full disk is waited for no longer than ms. */
void outfiles_last(struct outfiles *o, uint64_t ms);
/* All is written or lost; nothing may be given to write after it. Takes as long as the
 * disk takes. */
void outfiles_finish(struct outfiles *o);

struct outfiles_kept {
    uint64_t bytes;           /* that the rank wrote */
    uint64_t first, last;     /* kept of them; last 0: all that was not lost */
    struct outranges missing; /* of what should be there */
};
/* After finish; rank and stream exist. */
void outfiles_kept(const struct outfiles *o, uint32_t rank, int stream,
                   struct outfiles_kept *ret);
/* Wait up to ms for stdout to take the rest, and as long as it takes for the files; fsync
 * and close them, free. */
void outfiles_destroy(struct outfiles *o, unsigned ms);

#endif
