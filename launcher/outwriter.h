/* SPDX-License-Identifier: MIT */
/* outwriter - the thread that writes the ranks' output files, so that a file system that
 * stands still (NFS, a full Lustre) delays no heartbeat. A part of outfiles; no one else's.
 *
 * Files are numbered 2 * rank + stream. What is asked for is done in order. The caller
 * bounds the queue by outwriter_queued; past LIMIT_OUTPUT_QUEUE it is made to wait.
 *
 * A full disk (or quota, or table of files) loses nothing at once: the thread tries again
 * every second, the queue and then the nodes' spools fill up, and the user is told. It is
 * given up when the queue is at its limit, or LIMIT_FULL_DISK_MS after the ranks ended;
 * then what cannot be written is lost until there is room again. Any other error loses its
 * bytes at once. What is lost is said once when it begins, and kept for the summary.
 */
#ifndef LAUNCHER_OUTWRITER_H
#define LAUNCHER_OUTWRITER_H

#include <stdint.h>

#include "launcher/outdisk.h"
#include "proto/base/err.h"
#include "proto/base/loop.h"

struct outwriter;
/* progress: on the loop, after some of the queue was written. dir exists. */
int outwriter_create(struct loop *l, const char *dir, uint32_t world_size,
                     const struct outrotate *r, void (*progress)(void *arg), void *arg,
                     struct outwriter **ret, struct err *e);
/* Before the first write: a head before us wrote this segment. */
int outwriter_found(struct outwriter *w, size_t file, uint64_t segment);
/* len 0: make the file. Copies data. */
void outwriter_write(struct outwriter *w, size_t file, uint64_t offset,
                     const void *data, size_t len);
/* These bytes will never come; the files keep their place. */
void outwriter_gap(struct outwriter *w, size_t file, uint64_t from, uint64_t to);
size_t outwriter_queued(struct outwriter *w); /* bytes not yet written */
/* No more comes from ranks: a full disk is waited for no longer than ms from now, or from
 * when it was found full. */
void outwriter_last(struct outwriter *w, uint64_t ms);
/* Write all, sync, end the thread, say what is not on the disk. Takes as long as the disk
 * takes. */
void outwriter_finish(struct outwriter *w);
/* After finish. */
void outwriter_kept(const struct outwriter *w, size_t file, struct outdisk_kept *ret);
void outwriter_destroy(struct outwriter *w); /* finishes first; takes NULL */

#endif
