/* SPDX-License-Identifier: MIT */
/* netwatch - while ranks run, does NCCL use the network that [audit] require_net demands, or
 * that the nodes have? NCCL may find an HCA and yet not use it, and says which network it
 * took when its communicators are made. Pure. Of each stream only the beginning is read, as
 * after the job (job_nccl.c), and of a large job only some ranks: NCCL agrees on its
 * network. */
#ifndef LAUNCHER_NETWATCH_H
#define LAUNCHER_NETWATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "launcher/netproof.h"

#define NETWATCH_RANKS 256u

struct netwatch;
/* gdr: as for netproof_fault. NULL: no memory. */
struct netwatch *netwatch_create(uint32_t n_ranks, bool gdr);
void netwatch_destroy(struct netwatch *w); /* takes NULL */
/* The next bytes of a stream (0, 1). What NCCL has said against the demand, once for all;
 * else NETPROOF_NONE. */
enum netproof_fault netwatch_add(struct netwatch *w, uint32_t rank, int stream,
                                 const void *data, size_t len);
/* The same of what an agent has heard. */
enum netproof_fault netwatch_said(struct netwatch *w, const struct ncclsaid *s);

#endif
