/* SPDX-License-Identifier: MIT */
/* likes - which nodes may be compared with each other: those of one product with as many
 * CPUs and NUMA nodes. Pure. */
#ifndef LAUNCHER_AUDIT_LIKES_H
#define LAUNCHER_AUDIT_LIKES_H

#include "launcher/audit/audit.h"

/* ret[i]: the first node that i is like; i itself where there is none before it. -ENOMEM. */
int likes_make(const struct audit *a, uint32_t **ret);
/* ret[i]: the first node on the same machine. Nodes of which it is not known are alone. */
int likes_machines(const struct audit *a, uint32_t **ret);

#endif
