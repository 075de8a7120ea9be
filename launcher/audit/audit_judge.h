/* SPDX-License-Identifier: MIT */
/* audit_judge - what single findings count for. A part of audit. */
#ifndef LAUNCHER_AUDIT_AUDIT_JUDGE_H
#define LAUNCHER_AUDIT_AUDIT_JUDGE_H

#include "launcher/audit/audit.h"

/* What the node's probe says; not looked, or no number of a verdict: unknown. */
enum audit_verdict judge_probe(const struct audit_node *n, enum audit_probe p);
/* Does it speak for a hypervisor? */
bool judge_is_sign(const struct audit_node *n, enum audit_probe p);
/* Must it have seen something before a node may be called bare metal, or a question be
 * answered with pass? */
bool judge_is_needed(enum audit_probe p);

#endif
