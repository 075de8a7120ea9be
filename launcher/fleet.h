/* SPDX-License-Identifier: MIT */
/* fleet - the agents of a job: started in a window, each with its session, its clock and
 * its life or death. Knows nothing of ranks.
 *
 * A node is up once its agent has proved itself and described the node. It is lost when
 * its agent is known to be dead (its starter ended with the agent's own status and no
 * link is left), or when it was out of reach for longer than the lease, after which it
 * has ended its ranks by itself. A lost node can be recovered: a new agent is started
 * there that delivers what the dead one left, removes it, and answers NODE_DONE.
 */
#ifndef LAUNCHER_FLEET_H
#define LAUNCHER_FLEET_H

#include <stdbool.h>
#include <stdint.h>

#include "launcher/clocksync.h"
#include "launcher/nodes.h"
#include "proto/base/loop.h"
#include "proto/wire/aolani.pb-c.h"
#include "proto/wire/secure.h"
#include "proto/wire/session.h"

/* How a node's agent and the head speak; of a node without a link: how they last did. */
enum fleet_path {
    FLEET_PATH_NONE,
    FLEET_PATH_DIRECT,  /* the agent has reached the head over TCP */
    FLEET_PATH_STARTER, /* over the streams of its starter: ssh */
};

struct fleet;
struct fleet_ops {
    void (*up)(void *arg, uint32_t node); /* also of an agent that recovers */
    void (*boot_failed)(void *arg, uint32_t node, const struct err *e);
    void (*lost)(void *arg, uint32_t node, const struct err *e);
    /* Anything but NODE_INFO, PING, PONG and CREDIT, which the fleet handles. */
    int (*message)(void *arg, uint32_t node, const struct envelope *v, struct err *e);
};
struct fleet_config {
    const struct spec *spec; /* kept by reference, like nodes */
    const struct nodes *nodes;
    uint8_t run_id[SECURE_RUN_BYTES];
    struct secure_key job_key;
    uint64_t epoch;
    uint32_t attempt; /* of the job: an agent of one never speaks in another */
    bool recover; /* every agent is one as fleet_recover starts, from the beginning */
};

int fleet_create(struct loop *l, const struct fleet_config *c,
                 const struct fleet_ops *ops, void *arg, struct fleet **ret,
                 struct err *e);
/* Kills the starters that still run (an agent whose key never came just exits). */
void fleet_destroy(struct fleet *f);
void fleet_start(struct fleet *f);
/* Start no further agents. Those being started are ended, but for one that has its key:
 * up, boot_failed or lost still follows for it (fleet_is_starting). */
void fleet_stop_starting(struct fleet *f);

/* 0, or negative: the node is not up, or its queue is full. */
int fleet_send(struct fleet *f, uint32_t node, enum message_type type, uint32_t attempt,
               const ProtobufCMessage *m);
void fleet_set_phase(struct fleet *f, uint32_t node, enum phase phase);
/* While held, no node is granted credit for more bulk data. */
void fleet_hold(struct fleet *f, bool hold);
/* The node has answered all: its agent's end is no loss. */
void fleet_release(struct fleet *f, uint32_t node);
/* Nothing more is expected of the node; its starter is ended. */
void fleet_give_up(struct fleet *f, uint32_t node);
/* Start an agent that cleans up after the lost one; up, boot_failed or lost follows. */
int fleet_recover(struct fleet *f, uint32_t node, struct err *e);

/* From within boot_failed or lost: the node has another host now (nodes_take_spare), and
 * all is as at its start, under a key of its own. It is started at once. */
void fleet_replace(struct fleet *f, uint32_t node);
/* Its agent was not seen to end, and has its key: it ends by itself, with its lease. */
bool fleet_may_live(const struct fleet *f, uint32_t node);

bool fleet_is_up(const struct fleet *f, uint32_t node);
bool fleet_is_starting(const struct fleet *f, uint32_t node);
bool fleet_was_copied(const struct fleet *f, uint32_t node);
const Aolani__NodeInfo *fleet_info(const struct fleet *f,
                                   uint32_t node); /* NULL: never */
const struct clocksync *fleet_clock(const struct fleet *f, uint32_t node);
/* Where other nodes reach it (fleet_address.h); failing that its name, and a job of one
 * node is content with loopback. */
const char *fleet_address(const struct fleet *f, uint32_t node);
enum fleet_path fleet_path(const struct fleet *f, uint32_t node);
/* What the agent met when it tried the head's addresses; "" while FLEET_PATH_DIRECT, and
 * for a moment after `up`. */
const char *fleet_path_why(const struct fleet *f, uint32_t node);
/* When its last link was closed by its end; UINT64_MAX: it was not. Loop time. */
uint64_t fleet_closed_ms(const struct fleet *f, uint32_t node);
uint64_t fleet_heard_ms(const struct fleet *f, uint32_t node); /* loop time of the last
                                                                  message */

#endif
