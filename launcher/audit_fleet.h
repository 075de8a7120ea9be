/* SPDX-License-Identifier: MIT */
/* audit_fleet - the hosts of a job audited: an agent on each, its questions, its end. No job
 * is prepared, no rank started, nothing left there. */
#ifndef LAUNCHER_AUDIT_FLEET_H
#define LAUNCHER_AUDIT_FLEET_H

#include "launcher/audit_show.h"
#include "launcher/nodes.h"
#include "launcher/spec.h"

/* Fills the audit, which is empty: a host that could not be audited has its error there.
 * Progress and warnings on stderr. 0, or a signal's number: the user has ended it; negative:
 * it could not even begin. */
int audit_fleet(const struct spec *s, const struct nodes *nodes,
                const struct audit_wish *w, struct audit *ret, struct err *e);

#endif
