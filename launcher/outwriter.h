/* SPDX-License-Identifier: MIT */
/* outwriter - the thread that writes the ranks' output files, so that a file system that
 * stands still (NFS, a full Lustre) delays no heartbeat. A part of outfiles; no one else's.
 *
 * Files are numbered 2 * rank + stream. What is asked for is done in order. The caller
 * bounds the queue by outwriter_queued; past OUTWRITER_QUEUE_MAX it is made to wait.
 */
#ifndef LAUNCHER_OUTWRITER_H
#define LAUNCHER_OUTWRITER_H

#include <stdint.h>

#include "proto/base/err.h"
#include "proto/base/loop.h"

#define OUTWRITER_QUEUE_MAX ((size_t)256 << 20)

struct outwriter;
/* progress: on the loop, after some of the queue was written. dir exists. */
int outwriter_create(struct loop *l, const char *dir, uint32_t world_size,
                     void (*progress)(void *arg), void *arg, struct outwriter **ret,
                     struct err *e);
void outwriter_path(const struct outwriter *w, size_t file, char *path, size_t len);
/* len 0: make the file. Copies data. */
void outwriter_write(struct outwriter *w, size_t file, uint64_t offset,
                     const void *data, size_t len);
/* The file ends at `end` at least: a hole keeps the place of what is missing. */
void outwriter_extend(struct outwriter *w, size_t file, uint64_t end);
size_t outwriter_queued(struct outwriter *w); /* bytes not yet written */
/* Write all, sync, close the files, end the thread, say which bytes could not be
 * written, free. Takes as long as the disk takes. NULL is fine. */
void outwriter_destroy(struct outwriter *w);

#endif
