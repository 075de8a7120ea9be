/* SPDX-License-Identifier: MIT */
/* bootscript - how ssh is called, and what it is asked to run on a node: one line that
 * any login shell (sh, bash, csh, fish) hands on to sh unchanged. It holds no secret.
 *
 * It answers on standard output, after whatever a start-up file may have printed:
 *   AOLANI-HAVE <arch>     the agent is in the cache and is being started
 *   AOLANI-NEED <arch>     send the agent's bytes
 *   AOLANI-STORED          send the rest of the bundle
 *   AOLANI-FAIL <reason>
 * and the agent itself says AOLANI-READY when it waits for its key.
 */
#ifndef LAUNCHER_BOOTSCRIPT_H
#define LAUNCHER_BOOTSCRIPT_H

#include "launcher/bundle.h"
#include "launcher/spec.h"

int bootscript_format(const struct bundle *b, struct buf *out);
int bootscript_here(const struct bundle *b, struct buf *out); /* for /bin/sh -c */
/* For /bin/sh -c on many nodes of a job of Slurm's, whose standard input is one. It says
 *   AOLANI-NODE <arch> <SLURMD_NODENAME>
 * first, and an agent that is in the cache is told how many bytes are for others: they
 * come, whole, or not at all, before its key. */
int bootscript_group(const struct bundle *b, struct buf *out);
/* The whole command line for one host; ret is the caller's to fini, also on failure. */
int bootscript_argv(const struct spec *s, const struct bundle *b, const char *host,
                    struct strlist *ret);

#endif
