/* SPDX-License-Identifier: MIT */
/* audit_nics - the HCA of each node that pairs are measured over: of the job's fabric, as a
 * run of the job would choose it. Pure. */
#ifndef LAUNCHER_AUDIT_NICS_H
#define LAUNCHER_AUDIT_NICS_H

#include "launcher/spec.h"
#include "proto/wire/aolani.pb-c.h"

/* infos: NULL for a node that never connected. ret[i] points into infos[i]; NULL: the node
 * has none that could be used, its pairs go over TCP. -ENOMEM. */
int audit_nics(const struct spec *s, const Aolani__NodeInfo *const *infos, uint32_t n,
               const char **ret);

#endif
