/* SPDX-License-Identifier: MIT */
/* place - which rank runs where, on which cores. Pure: the spec and what every node says
 * of itself give the plan; the same input gives the same plan.
 *
 * Ranks are numbered node by node. Each gets whole cores with their hardware threads, an
 * even share of what the agent may use; nodes that are simulated on one machine share its
 * cores among them. With fewer cores than ranks, ranks share cores and the plan says so.
 */
#ifndef LAUNCHER_PLACE_H
#define LAUNCHER_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "launcher/spec.h"
#include "proto/wire/aolani.pb-c.h"

struct plan_rank {
    uint32_t rank, node, local_rank;
    char *cpus; /* "0-3"; "" not bound */
};

struct plan {
    uint32_t n_nodes, world_size;
    uint32_t *first_rank;    /* n_nodes + 1 */
    struct plan_rank *ranks; /* world_size */
    bool *oversubscribed;    /* per node */
    char **warnings;
    size_t n_warnings;
};

/* shared_host: the nodes are simulated on one machine. ERR_BIND: the ranks cannot be
 * placed (strict, or no ranks_per_node can be known). */
int place(const struct spec *s, bool shared_host, char *const *names,
          const Aolani__NodeInfo *const *nodes, uint32_t n_nodes, struct plan *ret,
          struct err *e);
void plan_fini(struct plan *p);

#endif
