/* SPDX-License-Identifier: MIT */
/* pair_listener - who waits for its partner, and those who came and have not yet shown the
 * token. */
#ifndef AGENT_AUDIT_PAIR_LISTENER_H
#define AGENT_AUDIT_PAIR_LISTENER_H

#include <stddef.h>
#include <stdint.h>

#include "agent/audit/pair.h"

#define PAIR_PENDING  16u
#define PAIR_PROVE_NS 2000000000u /* for a token, once connected */
#define PAIR_LIMIT_MS 600000u     /* a pair takes seconds */

struct pair_pending {
    int fd;
    uint64_t came_ns;
    size_t n_got;
    unsigned char got[PAIR_TOKEN_BYTES];
};
struct pair_listener {
    int fd;
    char *nic;
    uint64_t until_ns;
    unsigned char token[PAIR_TOKEN_BYTES];
    struct pair_pending pending[PAIR_PENDING];
    size_t n_pending;
};

/* The connection of the right one, the caller's; or negative. */
int pair_listener_partner(struct pair_listener *l, struct err *e);
/* Nobody else is let in, and who waited is sent away. */
void pair_listener_close(struct pair_listener *l);
void pair_listener_destroy(struct pair_listener *l); /* takes NULL */

#endif
