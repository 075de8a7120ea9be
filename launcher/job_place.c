/* SPDX-License-Identifier: MIT */
/* job_place.c - a check that starts no rank: whether the ranks could meet at MASTER_PORT, and
 * what the job has learnt of its nodes. */
#include <errno.h>
#include <stdio.h>
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
                                     .link_why = fleet_path_why(j->fleet, i),
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

const Aolani__NodeInfo *job_node_info(const struct job *j, uint32_t node)
{
    return fleet_info(j->fleet, node);
}

/* ---- the way to MASTER_PORT ---- */

static int ask(struct job *j, uint32_t node, const char *address)
{
    Aolani__Reach m = AOLANI__REACH__INIT;
    m.address = (char *)address;
    m.port = j->master_port;
    struct err e;
    int rc = fleet_send(j->fleet, node, MSG_REACH, j->config.attempt, &m.base);
    if (rc < 0) {
        err_sys(&e, rc, "ask node \"%s\" for the way to MASTER_PORT",
                job_node_name(j, node));
        job_set_stop(j, STOP_ERROR, 1, "%s", e.text);
        job_event(j, JOB_EV_FAILED);
    }
    return rc;
}

/* Simulated nodes are one host; one node needs no way. */
void job_try_port(struct job *j)
{
    if (j->n_nodes == 1 || j->config.nodes->backend == BACKEND_LOCAL)
        job_event(j, JOB_EV_TRIED);
    else
        (void)ask(j, 0, "");
}

static void conclude(struct job *j)
{
    char text[1000];
    job_group_errors(j, NODE_PREPARED_, text, sizeof text);
    if (!text[0]) {
        job_event(j, JOB_EV_TRIED);
        return;
    }
    job_set_stop(j, STOP_ERROR, err_exit_status(ERR_REFUSED),
                 "the ranks could not meet at MASTER_PORT: %s", text);
    job_event(j, JOB_EV_FAILED);
}

int job_on_reached(struct job *j, uint32_t node, const ProtobufCMessage *msg,
                   struct err *e)
{
    const Aolani__Reached *m = (const void *)msg;
    struct job_node *n = &j->nodes[node];
    (void)e;
    if (j->state != JOB_TRYING || n->tried)
        return 0;
    n->tried = true;
    (void)snprintf(n->error, sizeof n->error, "%s", m->error);
    if (m->error[0])
        (void)snprintf(n->hint, sizeof n->hint,
                       "let the nodes reach each other on every port above 1024");
    /* The others have a port to try once node 0 listens. */
    const char *to = node == 0 && !m->error[0] ? fleet_address(j->fleet, 0) : NULL;
    for (uint32_t i = 1; to && i < j->n_nodes; i++) {
        if (ask(j, i, to) < 0)
            return 0;
    }
    for (uint32_t i = 0; !j->nodes[0].error[0] && i < j->n_nodes; i++) {
        if (!j->nodes[i].tried)
            return 0;
    }
    conclude(j);
    return 0;
}
