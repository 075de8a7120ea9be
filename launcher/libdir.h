/* SPDX-License-Identifier: MIT */
/* libdir - where the programs lie that aolani-run brings along: beside it (a build tree) or
 * in ../lib/aolani (installed), or where AOLANI_LIBDIR says.
 */
#ifndef LAUNCHER_LIBDIR_H
#define LAUNCHER_LIBDIR_H

#include <stddef.h>

#include "proto/base/err.h"

/* The folder of an executable; `what` calls it in the error ("the agent"). ERR_BOOT. */
int libdir_find(const char *file, const char *what, char *ret, size_t len,
                struct err *e);

#endif
