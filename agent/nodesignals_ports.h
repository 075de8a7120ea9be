/* SPDX-License-Identifier: MIT */
/* nodesignals_ports - counters of the InfiniBand, RoCE and EFA ports of a node, from
 * /sys/class/infiniband. A part of nodesignals.
 *
 * A counter may be a question to the card's firmware: looking goes on in slices, and a port
 * that takes as long as a broken one is given up for good. The number of open files is
 * bounded: ranks need descriptors too. */
#ifndef AGENT_NODESIGNALS_PORTS_H
#define AGENT_NODESIGNALS_PORTS_H

#include "agent/nodesignals_file.h"
#include "agent/nodesignals_merge.h"

#define NODESIGNALS_PORT_FILES 384u /* open at most: of 24 ports of InfiniBand */

struct nodesignals_ports;
struct nodesignals_ports_config {
    const char *sys;   /* "/sys" */
    bool reopen;       /* see nodesignals_file */
    size_t most_files; /* NODESIGNALS_PORT_FILES, or fewer */
    uint64_t slow_ns;  /* for one port: broken */
};
int nodesignals_ports_create(const struct nodesignals_ports_config *c,
                             struct nodesignals_ports **ret); /* -ENOMEM */
void nodesignals_ports_destroy(struct nodesignals_ports *p);
/* Look which ports are there; those of `first` (a NIC's name, or NULL) before others. */
void nodesignals_ports_scan(struct nodesignals_ports *p, const char *const *first,
                            size_t n_first);
size_t nodesignals_ports_n(const struct nodesignals_ports *p);
void nodesignals_ports_begin(struct nodesignals_ports *p);
/* Go on until then (clock_mono_ns), one port at least; true: all were looked at. */
bool nodesignals_ports_step(struct nodesignals_ports *p, uint64_t until_ns,
                            struct nodesignals_sum *ret);
/* One has gone since the last scan. */
bool nodesignals_ports_lost(const struct nodesignals_ports *p);

#endif
