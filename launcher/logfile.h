/* SPDX-License-Identifier: MIT */
/* logfile - a file that others append to: its last lines, and what has come since. Each call
 * opens it anew, as network file systems show new bytes to those who open. */
#ifndef LAUNCHER_LOGFILE_H
#define LAUNCHER_LOGFILE_H

#include <stddef.h>
#include <stdint.h>

/* Negative ends the reading. */
typedef int (*logfile_sink)(void *arg, const void *data, size_t len);

/* All from *at to the end; *at moves on. -errno (-ENOENT: no file), or the sink's. */
int logfile_read(const char *path, uint64_t *at, logfile_sink sink, void *arg);
/* Where the last *lines lines begin: *ret_at; *lines is left with those that it has too few
 * of, so that a file before it may be asked. A last line without an end is a line. */
int logfile_back(const char *path, uint64_t *lines, uint64_t *ret_at);

#endif
