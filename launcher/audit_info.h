/* SPDX-License-Identifier: MIT */
/* audit_info - what an agent has said of its node, for an audit. */
#ifndef LAUNCHER_AUDIT_INFO_H
#define LAUNCHER_AUDIT_INFO_H

#include "launcher/audit/audit.h"

/* m NULL: it never connected, nothing but its name is known. -ENOMEM. */
int audit_info_fill(const char *host, const Aolani__NodeInfo *m,
                    struct audit_node *ret);

#endif
