/* SPDX-License-Identifier: MIT */
/* history - what earlier audits found of a node, kept on the machine where aolani-run runs:
 * a file per node in a folder, a line of JSON per audit, mode 0600, the last HISTORY_KEPT.
 */
#ifndef LAUNCHER_AUDIT_HISTORY_H
#define LAUNCHER_AUDIT_HISTORY_H

#include "launcher/audit/audit.h"

#define HISTORY_KEPT 20u

/* $XDG_STATE_HOME/aolani/audits, else ~/.local/state/aolani/audits, made where missing.
 * *ret owned. -errno. */
int history_folder(char **ret, struct err *e);
/* Fills a->past from the files; a line that cannot be read is left out. -ENOMEM, -errno of
 * a folder that cannot be read. */
int history_read(const char *folder, struct audit *a, struct err *e);
/* Adds this audit to the files of its nodes, each written anew and renamed into its place:
 * a reader never sees half of one. Of the nodes whose files cannot be written e has the first;
 * all others are kept. */
int history_write(const char *folder, const struct audit *a, struct err *e);

#endif
