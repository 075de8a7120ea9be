/* SPDX-License-Identifier: MIT */
/* topology - what this node is made of: aolani-describe's answer, or why there is none.
 *
 * The helper runs while the agent connects. hwloc, libudev and NVML may crash it, keep it
 * waiting or be of the wrong kind: then the node is described by what the agent sees
 * itself, its cores, and the words of the failure go along. It has 20 s (NVML takes
 * seconds where no GPU is in persistence mode), and at most LIMIT_TOPOLOGY_BYTES to say.
 */
#ifndef AGENT_TOPOLOGY_H
#define AGENT_TOPOLOGY_H

#include "agent/host.h"
#include "proto/base/loop.h"

#define TOPOLOGY_LIMIT_MS 20000u

struct topology;
struct topology_config {
    struct loop *loop;
    const struct host *host; /* borrowed; its describe_helper is run */
    unsigned limit_ms;
};

/* done comes once, never from within create: the description, to be freed by its taker;
 * NULL: no memory for one. */
int topology_create(const struct topology_config *c,
                    void (*done)(void *arg, Aolani__Topology *t), void *arg,
                    struct topology **ret, struct err *e);
/* Nobody can wait any longer: the helper is ended, and done comes from within. Nothing is
 * done once done has come. */
void topology_hurry(struct topology *t);
void topology_destroy(struct topology *t); /* ends the helper */

#endif
