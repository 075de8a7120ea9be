/* SPDX-License-Identifier: MIT */
/* plan_text - how the parts of a node are written for people, in all that a plan prints.
 * Pure. */
#ifndef LAUNCHER_PLAN_TEXT_H
#define LAUNCHER_PLAN_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "launcher/place/topo.h"
#include "proto/base/buf.h"

#define PLAN_TEXT 128 /* room for one of these texts */

/* "gen5 x16"; what is not known is left out, and "" is neither. Returns ret. */
const char *plan_link(uint32_t mts, uint32_t width, char ret[PLAN_TEXT]);
/* The link's highest, and what it runs at where that is less: "gen5 x16, now gen3 x8". */
const char *plan_link_now(const Aolani__PciLink *l, char ret[PLAN_TEXT]);
/* "400 Gb/s"; "" for 0. */
const char *plan_rate(uint64_t mbits, char ret[PLAN_TEXT]);
/* Without the domain where that is 0: "18:00.0". */
const char *plan_bus(const char *bus_id);
/* Without its maker's name where the rest says enough: "H100 80GB HBM3". */
const char *plan_model(const struct topo_gpu *g, char ret[PLAN_TEXT]);
/* "PIX", "PXB", "PHB", "NODE", "PKG", "SYS"; "?": not known. */
const char *plan_path(const struct topo_path *p);
/* "up", "down", "?" of its best port. */
const char *plan_port_state(const struct topo_nic *n);
/* The best port's rate, 0: not known. */
uint64_t plan_nic_rate(const struct topo_nic *n);
/* The set with strides: "0-62:2" for 0,2,4,...,62, as taskset(1) takes it. 0, -ENOMEM. */
int plan_cpus(const struct rankset *s, struct buf *out);

#endif
