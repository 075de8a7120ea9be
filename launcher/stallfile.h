/* SPDX-License-Identifier: MIT */
/* stallfile - attempt-K/stall-N.txt: all that nodes and NCCL said of a stall. Written by a
 * thread of its own: what stalls a job may be the very file system that these files are on,
 * and nobody may wait for it. Bounded: files, bytes of each, and what waits to be written;
 * more is left out. A file that cannot be written is not there. */
#ifndef LAUNCHER_STALLFILE_H
#define LAUNCHER_STALLFILE_H

#include <stdbool.h>
#include <stddef.h>

#define STALLFILE_FILES   20u
#define STALLFILE_BYTES   (4u << 20)
#define STALLFILE_LAST_MS 2000u

struct stallfile;
struct stallfile *stallfile_create(const char *dir); /* NULL: no memory */
/* Appends to file `number` (1 and up); text is copied, and what is not printable in it
 * becomes "?". False: there are no so high numbers. */
bool stallfile_add(struct stallfile *f, unsigned number, const char *text, size_t len);
/* Waits STALLFILE_LAST_MS for what is not yet written. Takes NULL. */
void stallfile_destroy(struct stallfile *f);

#endif
