/* SPDX-License-Identifier: MIT */
/* outdisk - the files of the ranks' output: the open ones, segments that come and go, what
 * could not be written. A part of outwriter: only its thread uses it, or the loop once
 * that thread has ended.
 *
 * There may be far more files than descriptors, so those used least recently are closed.
 * Files are numbered 2 * rank + stream; offsets are those of the stream.
 */
#ifndef LAUNCHER_OUTDISK_H
#define LAUNCHER_OUTDISK_H

#include "launcher/outrotate.h"
#include "proto/base/err.h"

struct outdisk;
struct outdisk_part { /* what is left to be written */
    size_t file;
    uint64_t offset;
    const uint8_t *data;
    size_t len;
};
struct outdisk_kept {
    uint64_t removed_from, removed_to; /* by output_keep; equal: none */
    struct outranges missing;
};

int outdisk_create(const char *dir, size_t n_files, const struct outrotate *r,
                   struct outdisk **ret, struct err *e);
void outdisk_destroy(struct outdisk *d); /* takes NULL; does not sync */
/* The file's segment as it is named. */
void outdisk_path(const struct outdisk *d, size_t file, uint64_t segment, char *ret,
                  size_t len);
/* A head before us wrote this segment. Nothing is removed for it. */
int outdisk_found(struct outdisk *d, size_t file, uint64_t segment);
/* Write it; len 0 makes the file. 0, or -errno and `p` is what is left. A segment that was
 * removed is passed over. */
int outdisk_write(struct outdisk *d, struct outdisk_part *p);
/* These bytes are missing; holes keep the place of those that follow. why as in outrange. */
void outdisk_miss(struct outdisk *d, size_t file, uint64_t from, uint64_t to, int why);
/* All to the disk. 0, or -errno: what is missing nobody knows; ret_file: of which. */
int outdisk_sync(struct outdisk *d, size_t *ret_file);
void outdisk_kept(const struct outdisk *d, size_t file, struct outdisk_kept *ret);

#endif
