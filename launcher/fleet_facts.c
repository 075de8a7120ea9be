/* SPDX-License-Identifier: MIT */
/* fleet_facts.c - what is known of a node; see fleet.h. */
#include "launcher/fleet_address.h"
#include "launcher/fleet_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct fleet_node *fleet_node_at(const struct fleet *f, uint32_t node)
{
    assert(node < f->n_nodes);
    return &f->nodes[node];
}

bool fleet_is_up(const struct fleet *f, uint32_t node)
{
    return fleet_node_at(f, node)->life == NODE_UP;
}

bool fleet_is_starting(const struct fleet *f, uint32_t node)
{
    return fleet_node_at(f, node)->life == NODE_STARTING;
}

bool fleet_may_live(const struct fleet *f, uint32_t node)
{
    const struct fleet_node *n = fleet_node_at(f, node);
    return n->has_key && !n->agent_died && !(n->starter_ended && n->link_closed);
}

bool fleet_was_copied(const struct fleet *f, uint32_t node)
{
    return fleet_node_at(f, node)->copied;
}

const Aolani__NodeInfo *fleet_info(const struct fleet *f, uint32_t node)
{
    return fleet_node_at(f, node)->info;
}

const struct clocksync *fleet_clock(const struct fleet *f, uint32_t node)
{
    return &fleet_node_at(f, node)->clock;
}

const char *fleet_address(const struct fleet *f, uint32_t node)
{
    const struct fleet_node *n = fleet_node_at(f, node);
    const char *name = f->config.nodes->names[node], *at = strchr(name, '@');
    const Aolani__NodeInfo **infos = calloc(f->n_nodes, sizeof *infos);
    const char *picked = NULL;
    for (uint32_t i = 0; infos && i < f->n_nodes; i++)
        infos[i] = f->nodes[i].info;
    if (f->local)
        picked = "127.0.0.1";
    else if (infos)
        picked = fleet_pick_address(infos, f->n_nodes, node, n->address);
    free(infos);
    if (picked)
        return picked;
    return f->n_nodes == 1 ? "127.0.0.1" : at ? at + 1 : name;
}

enum fleet_path fleet_path(const struct fleet *f, uint32_t node)
{
    return fleet_node_at(f, node)->path;
}

const char *fleet_path_why(const struct fleet *f, uint32_t node)
{
    return fleet_node_at(f, node)->path_why;
}

uint64_t fleet_closed_ms(const struct fleet *f, uint32_t node)
{
    const struct fleet_node *n = fleet_node_at(f, node);
    return n->link_closed ? n->unlinked_ms : UINT64_MAX;
}

uint64_t fleet_heard_ms(const struct fleet *f, uint32_t node)
{
    return fleet_node_at(f, node)->heard_ms;
}
