/* SPDX-License-Identifier: MIT */
/* sallocwords - what salloc prints, and what it means. Pure. Its words are those of Slurm
 * 20.02 to 24.11, in English whatever the locale. */
#ifndef LAUNCHER_SLURM_SALLOCWORDS_H
#define LAUNCHER_SLURM_SALLOCWORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "launcher/spec.h"
#include "proto/base/buf.h"
#include "proto/base/err.h"

enum salloc_word {
    SALLOC_PASS,    /* nothing that matters */
    SALLOC_PENDING, /* the job is in the queue */
    SALLOC_GRANTED,
    SALLOC_REVOKED, /* Slurm took the nodes back; also after we gave them back */
    SALLOC_ERROR,   /* something went wrong */
    SALLOC_SAYS     /* for the user: a word of the site's own, say */
};
/* A line without its end; sbatch's errors are the same. *ret_id: the job's, where the line names it, else untouched.
 * *ret_text: the line without "salloc: " and "error: ", a part of line. */
enum salloc_word sallocwords_line(const char *line, uint32_t *ret_id,
                                  const char **ret_text);

/* All lines that were errors, a newline between them: why there are no nodes, and the way
 * out. Sets e and returns its code: ERR_USAGE where what was asked for is wrong, ERR_BOOT
 * where Slurm does not work. */
int sallocwords_error(const char *errors, struct err *e);

/* ---- the environment of what salloc has started ---- */

#define SALLOCENV_BYTES (4u << 20) /* the kernel takes no larger one from a shell */
/* What the started shell runs: its environment between two marks, NUL-ended texts, then
 * it stays until its standard input ends. */
#define SALLOCENV_SCRIPT                                 \
    "printf 'aolani-begin\\0'; cat /proc/self/environ; " \
    "printf 'aolani-end\\0'; "

/* All of it is there. */
bool sallocenv_is_whole(const struct buf *said);
/* Its SLURM_* as NAME=value, added to ret; a name or value that is not well-formed is left
 * out. ERR_PROTO: there are no nodes in it. */
int sallocenv_parse(const struct buf *said, struct strlist *ret, struct err *e);

#endif
