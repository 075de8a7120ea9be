/* SPDX-License-Identifier: MIT */
/* job_limits.c - the resource limits that the ranks will have, told to the user. */
#include <stdlib.h>

#include "launcher/job_impl.h"
#include "launcher/nodelimits.h"
#include "proto/base/log.h"

static void on_warning(void *arg, const char *text)
{
    job_warn(arg, "%s", text);
}

static void on_line(void *arg, const char *text)
{
    (void)arg;
    log_info("limits of the ranks: %s", text);
}

void job_compare_limits(struct job *j)
{
    struct nodelimits *all = calloc(j->n_nodes, sizeof *all);
    for (uint32_t i = 0; all && i < j->n_nodes; i++) {
        nodelimits_text(&j->nodes[i].limits, j->nodes[i].limits_text);
        all[i] = (struct nodelimits){.name = job_node_name(j, i),
                                     .limits = &j->nodes[i].limits,
                                     .infiniband = fleet_info(j->fleet, i)->infiniband};
    }
    if (all) {
        nodelimits_list(all, j->n_nodes, on_line, j);
        nodelimits_compare(all, j->n_nodes, on_warning, j);
    }
    free(all);
}
