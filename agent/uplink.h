/* SPDX-License-Identifier: MIT */
/* uplink - the agent's session with the head, over whatever connection there is.
 *
 * All candidate addresses are tried at the same time, the first of them 150 ms ahead; the
 * first that completes the handshake carries the session, the others are closed. When none
 * has after 3 s, or all have failed, standard input and output are tried as well, once;
 * where they have ended only TCP is. A link that ends is replaced with growing pauses (50 ms to 1 s). Without a
 * link for as long as the lease says, lease_over comes, once.
 */
#ifndef AGENT_UPLINK_H
#define AGENT_UPLINK_H

#include "agent/upward.h"
#include "proto/base/loop.h"
#include "proto/wire/aolani.pb-c.h"
#include "proto/wire/session.h"

struct uplink;
struct uplink_ops {
    /* As in session_ops; PING is answered here. The uplink must not be destroyed from
     * within. */
    int (*message)(void *arg, const struct envelope *v, struct err *e);
    void (*acked)(void *arg, uint64_t seq);
    void (*credit)(void *arg);
    void (*unlinked)(void *arg); /* the link has ended; another is sought */
    void (*lease_over)(void *arg);
};

/* Starts at once. boot is kept by reference. in_fd, out_fd: the channel of the starter,
 * taken over in every case; -1: none. */
int uplink_create(struct loop *l, const Aolani__Boot *boot, int in_fd, int out_fd,
                  const struct uplink_ops *ops, void *arg, struct uplink **ret,
                  struct err *e);
void uplink_destroy(struct uplink *u);

bool uplink_is_linked(const struct uplink *u); /* as far as is known here */
const struct upward *uplink_upward(struct uplink *u);
void uplink_set_phase(struct uplink *u, enum phase phase);
void uplink_set_attempt(struct uplink *u,
                        uint32_t attempt); /* of what is sent from now */

#endif
