/* SPDX-License-Identifier: MIT */
/* xmlfile - a file that should be hwloc's XML, read and looked at before hwloc parses it. */
#ifndef AGENT_DESCRIBE_XMLFILE_H
#define AGENT_DESCRIBE_XMLFILE_H

#include "proto/base/buf.h"
#include "proto/base/err.h"

/* ret: the text from its root element on, without comments, ended by a NUL that is not
 * counted; buf_fini it, also on failure. The errors do not name the file. */
int xmlfile_read(const char *path, struct buf *ret, struct err *e);

/* Is it an export of hwloc 1 or 2, whole? ERR_PARSE says what it is instead. *ret_root:
 * where its root element begins. */
int xmlfile_check(const char *text, size_t len, size_t *ret_root, struct err *e);

#endif
