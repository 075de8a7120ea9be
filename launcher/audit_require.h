/* SPDX-License-Identifier: MIT */
/* audit_require - what a job demands of its nodes ([audit] require_bare_metal, require_net),
 * against what an audit has found. Pure. Whoever cannot be seen into does not pass: a job
 * that demands bare metal is not to run on a guess. */
#ifndef LAUNCHER_AUDIT_REQUIRE_H
#define LAUNCHER_AUDIT_REQUIRE_H

#include "launcher/audit/audit.h"
#include "launcher/failures.h"
#include "launcher/spec.h"

bool audit_requires(const struct spec *s);
bool audit_requires_net(const struct spec *s);
struct audit_unmet {
    struct failure *all; /* owned, with its texts; a node may be there twice */
    size_t n;
};
/* The audit is judged. -ENOMEM. */
int audit_require(const struct spec *s, const struct audit *a, struct audit_unmet *ret);
void audit_unmet_fini(struct audit_unmet *u);

#endif
