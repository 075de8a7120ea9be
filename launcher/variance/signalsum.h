/* SPDX-License-Identifier: MIT */
/* signalsum - what a node said of itself in some intervals, as if it had been one: for the
 * journal, which has no room for every second. Pure. Counts are added up, and not known
 * where one of them was not; of clocks the lowest is kept, of heat and power the highest,
 * of probes the last. The times of single CPUs are left out. Bounded by LIMIT_SIGNALS_*,
 * whatever comes. */
#ifndef LAUNCHER_VARIANCE_SIGNALSUM_H
#define LAUNCHER_VARIANCE_SIGNALSUM_H

#include <stdbool.h>

#include "proto/wire/aolani.pb-c.h"

#define SIGNALSUM_LINKS 64u /* changes of links that are kept */

struct signalsum { /* begins zeroed */
    bool any;
    Aolani__NodeSignals m;
    Aolani__Probe probe;
};

/* m: as signals_add has taken it. -ENOMEM: some of it is missing. */
int signalsum_add(struct signalsum *s, const Aolani__NodeSignals *m);
/* Borrowed until the next call; NULL: nothing was added. */
const Aolani__NodeSignals *signalsum_get(const struct signalsum *s);
void signalsum_fini(struct signalsum *s); /* and begin anew */

/* How long one is made longer before it is written: a minute; longer where a node has
 * written very many, or the job has very many nodes, which together write no more than
 * SIGNALSUM_NODES would. */
#define SIGNALSUM_NODES 512u
uint64_t signalsum_every_ms(uint32_t n_nodes, uint32_t written);

#endif
