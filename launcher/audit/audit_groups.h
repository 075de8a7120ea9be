/* SPDX-License-Identifier: MIT */
/* audit_groups - nodes of which every probe says the same are shown once. Pure. */
#ifndef LAUNCHER_AUDIT_AUDIT_GROUPS_H
#define LAUNCHER_AUDIT_AUDIT_GROUPS_H

#include "launcher/audit/audit.h"

struct audit_group {
    uint32_t *nodes; /* ascending; of the one list of audit_groups */
    size_t n;
};
struct audit_groups {
    struct audit_group *groups; /* by their first node */
    size_t n;
    uint32_t *list;
};

int audit_groups_make(const struct audit *a, struct audit_groups *ret); /* -ENOMEM */
void audit_groups_fini(struct audit_groups *g);
/* "gpu[001-014,016]". -ENOMEM, ERR_LIMIT. */
int audit_groups_hosts(const struct audit *a, const uint32_t *nodes, size_t n,
                       struct buf *out);

#endif
