/* SPDX-License-Identifier: MIT */
/* gpufaults - errors of GPUs (Xid) that the kernels of the nodes told of: each kind once,
 * with how often. Pure and bounded, whatever nodes say. */
#ifndef LAUNCHER_GPUFAULTS_H
#define LAUNCHER_GPUFAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/limits.h"
#include "proto/wire/aolani.pb-c.h"

#define GPUFAULTS_KEPT 4096u /* records in the journal: a GPU may fail each second */
#define GPUFAULTS_MOST 256u  /* kinds: of a node, a GPU and a number */

struct gpufault {
    uint32_t node, xid;
    uint64_t n;
    char bus[LIMIT_FAULT_BUS + 1];
    char text[LIMIT_FAULT_TEXT + 1]; /* the driver's own, of the first; may be "" */
    char whose[80]; /* "rank 3", "ranks 4, 5"; "no rank's": set by who knows */
};
struct gpufaults { /* begins zeroed */
    struct gpufault *all;
    size_t n;
    uint64_t more;      /* errors that there was no room for */
    uint64_t journaled; /* records */
};

/* f has been checked (signals_add). The new kind; NULL: a known one, or no room. */
struct gpufault *gpufaults_add(struct gpufaults *g, uint32_t node,
                               const Aolani__GpuFault *f);
void gpufaults_fini(struct gpufaults *g);

/* What NVIDIA's documentation says a number means, in a few words; "" of one it has no
 * common meaning for. */
const char *gpufault_words(uint32_t xid);
/* "Xid 79 of GPU 0000:3b:00.0 (rank 3) on gpu07: it has fallen off the bus". Without what
 * is not known: whose, node NULL. */
void gpufault_sentence(const struct gpufault *f, const char *node, char *ret,
                       size_t len);

#endif
