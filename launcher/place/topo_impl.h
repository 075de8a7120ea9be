/* SPDX-License-Identifier: MIT */
/* topo_impl - what topo.c (reading a description) and topo_path.c (distances) share. */
#ifndef LAUNCHER_PLACE_TOPO_IMPL_H
#define LAUNCHER_PLACE_TOPO_IMPL_H

#include "launcher/place/topo.h"

/* "0000:18:00.0", or "0000:18" of a host bridge, as a number that sorts as the bus does;
 * false: it is none. */
bool topo_bus_key(const char *text, uint64_t *ret);

#endif
