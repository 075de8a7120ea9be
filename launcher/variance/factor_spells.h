/* SPDX-License-Identifier: MIT */
/* factor_spells - what ranks that are slow at the same time have in common. Pure. */
#ifndef LAUNCHER_VARIANCE_FACTOR_SPELLS_H
#define LAUNCHER_VARIANCE_FACTOR_SPELLS_H

#include "launcher/variance/attribute.h"
#include "launcher/variance/factor.h"

#define FACTOR_SPELLS_NAMED 4u /* facts that hold for the same ranks */

/* Of spells[which]: the ranks that were slow in the same steps of the same attempt, and by
 * the same kind of mechanism (or one that is not known), and what they share:
 * "ranks 12, 44, 76: GPU and NIC on different sockets", of more than eight ranks the first
 * eight and how many more. Several facts are joined by " and ". Those that have it are
 * named; adds nothing where chance explains it. Call it again with each rank that becomes
 * slow: what they share may show only then. -ENOMEM, ERR_LIMIT. */
int factor_common(struct factors *f, const struct spell *spells, size_t n, size_t which,
                  struct buf *out);

#endif
