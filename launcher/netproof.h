/* SPDX-License-Identifier: MIT */
/* netproof - over which network NCCL goes from a node to others, of what its ranks said of it,
 * and whether that is what [audit] require_net demands. Pure.
 *
 * What a rank receives is judged: where GPUs have no NVLink, NCCL by its own choice sends
 * from the host's memory (NCCL_NET_GDR_READ), and that is no fall back. A rank whose rings do
 * not leave the node says which network there is and has no connection; a node must have
 * one. */
#ifndef LAUNCHER_NETPROOF_H
#define LAUNCHER_NETPROOF_H

#include "proto/wire/ncclsaid.h"

enum netproof_fault {
    NETPROOF_NONE, /* nothing said is against it */
    NETPROOF_SOCKETS,
    NETPROOF_OTHER,  /* neither: another transport */
    NETPROOF_NO_GDR, /* it receives without GPUDirect RDMA */
};
/* gdr: of "ib+gdr"; else of "ib", which only sockets are against. */
enum netproof_fault netproof_fault(const struct ncclsaid *s, bool gdr);
const char *netproof_fault_text(
    enum netproof_fault f); /* "NCCL has taken sockets ..." */

#define NETPROOF_NAME 24u

struct netproof { /* of a node; zeroed before its first rank */
    uint32_t n, silent, first_silent;
    bool sockets, ib, ib_gdr;  /* its connections */
    char other[NETPROOF_NAME]; /* another transport */
    char taken[NETPROOF_NAME]; /* said, with or without a connection */
    enum netproof_fault fault; /* against "ib+gdr": the first, */
    uint32_t fault_rank;       /* and whose */
};
void netproof_add(struct netproof *p, uint32_t rank, const struct ncclsaid *s);
/* "ib+gdr", "ib", "sockets", a transport's name; several with ", "; "ib, not used" without a
 * connection; "": nothing was said. */
void netproof_words(const struct netproof *p, char *ret, size_t len);
bool netproof_is_used(const struct netproof *p); /* a rank has a connection */
/* Does this node prove "ib+gdr"? Else ret is why not: "rank 3 has said nothing of its
 * network". */
bool netproof_holds(const struct netproof *p, char *ret, size_t len);

#endif
