/* SPDX-License-Identifier: MIT */
/* job_place.c - what a job has learnt of its nodes, for a check that starts no rank. */
#include <errno.h>
#include <stdlib.h>

#include "launcher/job_impl.h"
#include "proto/wire/limitwire.h"

static const char *link_name(const struct job *j, uint32_t node)
{
    if (j->config.nodes->backend == BACKEND_LOCAL)
        return "local";
    switch (fleet_path(j->fleet, node)) {
    case FLEET_PATH_NONE:
        break;
    case FLEET_PATH_DIRECT:
        return "direct";
    case FLEET_PATH_STARTER:
        return "over ssh";
    }
    return "-";
}

int job_place(const struct job *j, struct place_node **ret)
{
    struct place_node *all = calloc(j->n_nodes, sizeof *all);
    if (!all)
        return -ENOMEM;
    for (uint32_t i = 0; i < j->n_nodes; i++) {
        const struct job_node *n = &j->nodes[i];
        const Aolani__NodeInfo *info = fleet_info(j->fleet, i);
        all[i] = (struct place_node){.name = job_node_name(j, i),
                                     .hostname = info ? info->hostname : "",
                                     .link = link_name(j, i),
                                     .agent = fleet_was_copied(j->fleet, i) ? "copied"
                                                                            : "there",
                                     .cores = info ? info->n_cores : 0,
                                     .mem_bytes = info ? info->mem_bytes : 0,
                                     .limits = n->limits,
                                     .program = n->program ? n->program : "",
                                     .error = n->error,
                                     .hint = n->hint};
        /* Before it is known what the ranks get: what its agent has. */
        if (info && !n->limits.known[RLIMITS_NOFILE])
            limitwire_read(info->limits, info->n_limits, &all[i].limits);
    }
    *ret = all;
    return 0;
}
