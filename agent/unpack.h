/* SPDX-License-Identifier: MIT */
/* unpack - a bundle of programs from standard input into a folder of the node's cache.
 *
 * "AOLP", u32 number of files; for each u16 length of the name, the name, u32 mode, u64
 * size, SHA-256, then the bytes; little endian. "aolani-agent" is listed without bytes:
 * it is the program that reads this, and must be what the bundle says. Files are written
 * under other names, compared, synchronised, and get their own names when all are whole.
 * Several may unpack the same bundle into the same folder at once, also from other hosts.
 * Afterwards the cache is pruned, see cache.h.
 */
#ifndef AGENT_UNPACK_H
#define AGENT_UNPACK_H

#include "proto/base/err.h"

#define UNPACK_FILES_MAX 64u
#define UNPACK_NAME_MAX  64u
#define UNPACK_SIZE_MAX  (512ull << 20) /* of one file */

/* self: path of the running program. dir is made (0700) if missing. Reads not a byte more
 * than the bundle. On failure dir has no file that it had not before. */
int unpack(int fd, const char *dir, const char *self, struct err *e);

#endif
