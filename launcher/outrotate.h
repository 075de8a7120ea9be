/* SPDX-License-Identifier: MIT */
/* outrotate - which file holds which byte of a rank's stream, which files go, and which
 * bytes are missing. Pure; a part of outdisk.
 *
 * Byte b is in segment b / size, at b % size, whatever order bytes come in: so a name
 * alone tells which bytes a file holds, and the files in order are the stream.
 */
#ifndef LAUNCHER_OUTROTATE_H
#define LAUNCHER_OUTROTATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct outrotate {
    uint64_t size; /* bytes of a segment; 0: the stream is one file */
    uint64_t keep; /* segments, the first and the last ones; 0: all; else 2 at least */
};

struct outpiece {
    uint64_t segment, at; /* at: in the segment's file */
    size_t len;
};
/* The part of these bytes that is in the segment of the first. */
struct outpiece outrotate_piece(const struct outrotate *r, uint64_t offset, size_t len);
uint64_t outrotate_start(const struct outrotate *r, uint64_t segment);
/* Once `newest` has begun, segments from 1 to before this one are not kept. */
uint64_t outrotate_kept_from(const struct outrotate *r, uint64_t newest);
bool outrotate_keeps(const struct outrotate *r, uint64_t newest, uint64_t segment);
/* "" or ".000007": six digits, so that names sort as the segments do (past a million with
 * ls -v). */
void outrotate_suffix(uint64_t segment, char *ret, size_t len);
/* "rank-0003.out.000007". False: it is no file of ours. */
bool outrotate_parse(const char *name, uint32_t *ret_rank, int *ret_stream,
                     uint64_t *ret_segment);

/* ---- what is missing ---- */

#define OUTRANGES_MAX 8u

struct outrange {
    uint64_t from, to; /* to: the first byte that is there again */
    uint64_t bytes;    /* missing of them: all, but where ranges had to be joined */
    int why;           /* -errno of the write; 0: lost on the node */
};
/* In order, apart from each other. More than fit: the nearest two are joined. */
struct outranges {
    unsigned n;
    struct outrange r[OUTRANGES_MAX];
};
void outranges_add(struct outranges *s, uint64_t from, uint64_t to, int why);
void outranges_remove(struct outranges *s, uint64_t from, uint64_t to);
uint64_t outranges_bytes(const struct outranges *s);

#endif
