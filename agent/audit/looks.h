/* SPDX-License-Identifier: MIT */
/* looks - all probes of the audit, one after another. */
#ifndef AGENT_AUDIT_LOOKS_H
#define AGENT_AUDIT_LOOKS_H

#include <stddef.h>

#include "agent/audit/findings.h"

/* Before each part: what it is about, and how much is done. */
typedef void (*looks_progress)(void *arg, const char *what, unsigned percent);

/* skip: ids that are left out; one that no probe has is ignored, a newer head may know
 * more. What nobody wants to know is not looked at. progress may be NULL. *ret is the
 * caller's. -ENOMEM. */
int looks_run(const struct machine *m, char *const *skip, size_t n_skip,
              looks_progress progress, void *arg, Aolani__AuditFindings **ret,
              struct err *e);

#endif
