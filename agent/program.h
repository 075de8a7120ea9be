/* SPDX-License-Identifier: MIT */
/* program - what a rank executes: found before anything is forked, so that a wrong name
 * is one clear error of the node instead of one per rank. */
#ifndef AGENT_PROGRAM_H
#define AGENT_PROGRAM_H

#include <stddef.h>

#include "proto/base/err.h"

struct program {
    char *path;
    char **argv;    /* NULL-ended */
    char **sh_argv; /* for a script without "#!" */
};

/* path_var: PATH of the rank. -ENOENT, -EACCES: with the words for the user. */
int program_find(char *const *argv, size_t argc, const char *path_var,
                 const char *workdir, struct program *ret, struct err *e);
void program_fini(struct program *p);
/* The folder exists and may be entered. ERR_USAGE: not. */
int program_check_workdir(const char *workdir, struct err *e);

#endif
