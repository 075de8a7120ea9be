/* SPDX-License-Identifier: MIT */
/* ras - asks the RAS service of NCCL (2.24 and later) in this node's ranks for the state of
 * the job. Its protocol is text over TCP: NCCL's user guide, "RAS".
 *
 * Nothing of the peer is trusted: whoever has the port may answer. What is kept is bounded,
 * each try has a deadline, and the whole has one. A process that does not take the
 * connection (it is stopped) shares its port with others that may: hence three tries. */
#ifndef AGENT_RAS_H
#define AGENT_RAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"
#include "proto/base/loop.h"

#define RAS_PORT     28028u
#define RAS_TRIES    3u
#define RAS_GREET_MS 1000u /* to connect and to be greeted, each try */
#define RAS_WAIT_MS \
    15000u /* for all of it: RAS itself waits up to 10 s for its peers */

struct ras;
struct ras_answer {   /* text is borrowed for the call */
    const char *text; /* NULL: see error */
    size_t len;
    bool cut; /* to LIMIT_RAS_TEXT */
    struct err error;
};
typedef void ras_done(void *arg, const struct ras_answer *a);

/* address: "127.0.0.1:28028", "[::1]:28028", "localhost:28028"; no other name is looked up.
 * done is called once, later, from the loop, unless it is destroyed before. ERR_RANGE: the
 * address. */
int ras_ask(struct loop *loop, const char *address, ras_done *done, void *arg,
            struct ras **ret, struct err *e);
void ras_destroy(struct ras *r); /* takes NULL; also from within done */
/* A port of 127.0.0.1 that was free just now, for NCCL_RAS_ADDR. 0: none. */
uint16_t ras_free_port(void);

#endif
