/* SPDX-License-Identifier: MIT */
/* setup - the shell round a program whose job has a setup text ("module load mpi").
 *
 * The text is for a login shell: only its start-up files define what clusters give their
 * users, and a node reached by ssh has read none. Those files change what they like, so the
 * variables that the job file sets, and the working directory, are put back after them and
 * before the text, which may build on both. What the files and the text print goes to
 * standard error: standard output is the program's.
 */
#ifndef AGENT_SETUP_H
#define AGENT_SETUP_H

#include <stddef.h>

#include "proto/wire/aolani.pb-c.h"

/* *ret_outer: the text for "/bin/sh -c", whose $0 is *ret_inner, that for `shell` -l -c, and
 * whose arguments are the program's. Both to be freed.
 * -ENOMEM, or ERR_LIMIT: they would be too long. */
int setup_script(const char *shell, const char *text, Aolani__KeyValue *const *env,
                 size_t n_env, char **ret_outer, char **ret_inner);

#endif
