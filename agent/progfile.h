/* SPDX-License-Identifier: MIT */
/* progfile - why the kernel would not execute a file, as far as the file itself says.
 *
 * execve(2) answers ENOENT for a script whose interpreter is missing, and ENOEXEC for
 * whatever it does not know: the words of neither are of use.
 */
#ifndef AGENT_PROGFILE_H
#define AGENT_PROGFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/base/err.h"

/* The interpreter that the first line of a script names. 0: "#!" and a name; 1: no "#!";
 * ERR_PARSE: "#!" and no name. */
int progfile_interpreter(const char *head, size_t len, char *ret, size_t room);
/* 0: the kernel will try. -ENOENT, -EACCES, -ENOEXEC: with the words for the user. */
int progfile_check(const char *path, struct err *e);
/* A shell may be tried on it: it is text, not a program of another machine. */
bool progfile_is_text(const char *path);

#endif
