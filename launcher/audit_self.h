/* SPDX-License-Identifier: MIT */
/* audit_self - this machine audited, or the one whose facts a folder holds: a helper of our
 * own is asked, there is no agent and no network. */
#ifndef LAUNCHER_AUDIT_SELF_H
#define LAUNCHER_AUDIT_SELF_H

#include "launcher/audit_show.h"

/* As audit_fleet(), of one node. root NULL: this machine. */
int audit_self(const char *root, const struct audit_wish *w, struct audit *ret,
               struct err *e);
/* What it is, as its files say: host, kernel, product, memory, CPUs. -ENOMEM. */
int audit_self_describe(const char *root, struct audit_node *ret);

#endif
