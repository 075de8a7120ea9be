/* SPDX-License-Identifier: MIT */
/* finding - the one finding of a probe. */
#ifndef TESTS_LIB_FINDING_H
#define TESTS_LIB_FINDING_H

#include <string.h>

#include "agent/audit/findings.h"

/* NULL: it said nothing. */
static inline const Aolani__AuditFinding *finding_of(const Aolani__AuditFindings *all,
                                                     enum audit_probe id)
{
    for (size_t i = 0; all && i < all->n_findings; i++)
        if (!strcmp(all->findings[i]->id, audit_probe_info(id)->id))
            return all->findings[i];
    return NULL;
}

#endif
