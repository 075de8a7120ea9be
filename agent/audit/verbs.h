/* SPDX-License-Identifier: MIT */
/* verbs - one end of an RDMA connection between two nodes: a reliable queue pair of
 * libibverbs, which is loaded when it is asked for and not needed otherwise.
 *
 * Each end opens, gives its card to the other one by a way of their own, and connects with
 * the other's. Blocking; everything ends by its window. Not for several threads.
 */
#ifndef AGENT_AUDIT_VERBS_H
#define AGENT_AUDIT_VERBS_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"

#define VERBS_CARD 256u
#define VERBS_NAME 64u /* of an HCA, with its end */

struct verbs;

/* "mlx5_0", or "mlx5_0:2" for a port; without one the first that is active. Negative: no
 * library, no such HCA, no right to use it, ... */
int verbs_open(const char *nic, struct verbs **ret, struct err *e);
void verbs_close(struct verbs *v); /* takes NULL */

/* What the other end has to know. */
void verbs_card(const struct verbs *v, unsigned char ret[VERBS_CARD]);
/* The other end's, as it came: anything may be in it. Once connected, what it sends is
 * taken from now on. */
int verbs_connect(struct verbs *v, const unsigned char card[VERBS_CARD], struct err *e);
const char *verbs_peer(const struct verbs *v); /* its HCA, printable; connected */

/* Times round trips of 64 bytes for that long, one to `most`, and tells the other end when
 * it was the last. */
int verbs_trips(struct verbs *v, uint64_t window_ms, uint64_t *ret_ns, size_t most,
                size_t *ret_n, struct err *e);
/* Answers them, until the last one. */
int verbs_echo(struct verbs *v, uint64_t window_ms, struct err *e);
/* Writes into the other end's memory for that long: the bytes, and how long they took,
 * without the start. The other end does nothing. */
int verbs_push(struct verbs *v, uint64_t window_ms, uint64_t *ret_bytes,
               uint64_t *ret_ns, struct err *e);

#endif
