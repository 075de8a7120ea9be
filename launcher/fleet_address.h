/* SPDX-License-Identifier: MIT */
/* fleet_address - which of a node's addresses the other nodes reach. Pure. */
#ifndef LAUNCHER_FLEET_ADDRESS_H
#define LAUNCHER_FLEET_ADDRESS_H

#include <stddef.h>

#include "proto/wire/aolani.pb-c.h"

/* The address that shares its network with the most other nodes; among equals the one on
 * which the node speaks to the head (`seen`, as the head sees it; "" when that says
 * nothing), then the first. An address that another node has too (a bridge for containers)
 * is nobody's. NULL: the node has none that would do. Borrows from infos or seen; of a
 * node that never came the info is NULL. */
const char *fleet_pick_address(const Aolani__NodeInfo *const *infos, size_t n,
                               size_t node, const char *seen);

#endif
