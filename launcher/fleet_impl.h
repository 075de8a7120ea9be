/* SPDX-License-Identifier: MIT */
/* fleet_impl - what fleet.c (lives of the nodes), fleet_start.c (starts), fleet_link.c (connections)
 * and fleet_facts.c (what is known of them) share. */
#ifndef LAUNCHER_FLEET_IMPL_H
#define LAUNCHER_FLEET_IMPL_H

#include "launcher/boot.h"
#include "launcher/fleet.h"
#include "launcher/gate.h"
#include "proto/wire/conn.h"

enum node_life {
    NODE_WAITING,  /* for a place in the window */
    NODE_STARTING, /* its agent is being started */
    NODE_UP,
    NODE_LOST,
    NODE_RELEASED, /* it has answered all */
};

struct fleet_node {
    struct fleet *fleet;
    uint32_t index;
    uint32_t generation; /* of its key: counts attempts and hosts */
    enum node_life life;
    bool recovering, copied;
    bool has_key;   /* the agent, which then answers for itself */
    bool in_window; /* counts as a handshake in flight */
    struct boot *boot;
    bool starter_ended;
    bool starter_failed; /* with another status than 0, or by a signal */
    bool link_closed;    /* the last link was closed, not silent */
    bool agent_died;     /* the starter passed on the agent's own status */
    unsigned breaches;   /* links in a row that ended because it broke a rule */
    char breach[200];    /* the last of them */
    char starter_words[256];
    struct secure_key key;
    struct gate gate;
    struct session *session;
    struct conn *link; /* carries the session; NULL: none now */
    struct loop_timer *lost;
    Aolani__NodeInfo *info;
    char address[64];
    enum fleet_path path;
    char path_why[240];
    struct clocksync clock;
    uint64_t heard_ms, pinged_ms, unlinked_ms;
    unsigned pings;
    uint64_t ungranted;
};

struct fleet {
    struct loop *loop;
    struct fleet_config config;
    const struct fleet_ops *ops;
    void *arg;
    struct bundle bundle;
    const struct boot_kind *kind; /* how agents come to the nodes */
    bool local, hold, closing;
    bool stopped; /* no further agents are started */
    struct fleet_node *nodes;
    uint32_t n_nodes, next_to_start, starting;
    uint32_t replaced; /* nodes that wait again, among those already passed */
    struct loop_listener *listener;
    uint16_t port;
    struct strlist heads;           /* "address:port" */
    struct links *links;            /* connections that have not proved themselves */
    struct loop_timer *tick, *more; /* more: nodes may be started */
};

/* ---- fleet_link.c ---- */
int fleet_listen(struct fleet *f, struct err *e);
void fleet_unlisten(struct fleet *f);
/* The starter's stream as a connection; takes it. */
void fleet_open_channel(struct fleet_node *n, struct loop_stream *io);
int fleet_new_session(struct fleet_node *n, struct err *e);
void fleet_drop_session(struct fleet_node *n);

/* ---- fleet_facts.c ---- */
struct fleet_node *fleet_node_at(const struct fleet *f, uint32_t node);

/* ---- fleet_start.c ---- */
void fleet_make_key(struct fleet_node *n); /* of the host that the node has now */
void fleet_on_more(void *fleet);           /* of the timer `more` */
void fleet_leave_window(struct fleet_node *n);

/* ---- fleet.c ---- */
/* No link is left: when is the node lost? */
void fleet_watch_unlinked(struct fleet_node *n);
void fleet_node_lost(struct fleet_node *n, const struct err *e);
void fleet_node_linked(struct fleet_node *n);
void fleet_node_unlinked(struct fleet_node *n, const struct err *e);
/* Once starting has stopped: an agent that still describes its node, which may take a
 * while, need not go on. */
void fleet_hurry(struct fleet_node *n);
int fleet_node_message(struct fleet_node *n, const struct envelope *v, struct err *e);

#endif
