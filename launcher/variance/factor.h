/* SPDX-License-Identifier: MIT */
/* factor - what slow ranks have in common and the others have not. Pure.
 *
 * Every rank has facts, "kind" and "value": node "gpu07", NUMA node "gpu07/1", NIC
 * "gpu07/mlx5_3", rail "mlx5_3", switch, path of GPU and NIC "SYS", width of a link, ...
 * A fact is named when it holds for four fifths of the slow ranks (two of three, four of
 * six), when half of the ranks that have it are slow, and when chance does not explain it:
 * hypergeometric tail, times the number of sets of ranks that could have been named, below
 * 0.01. The least likely one is named, with all that hold for the same ranks, the most
 * telling first (kinds in the order of enum factor_kind). So a fact that holds for a part
 * of another's ranks and explains as many slow ones is preferred.
 */
#ifndef LAUNCHER_VARIANCE_FACTOR_H
#define LAUNCHER_VARIANCE_FACTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/buf.h"

enum factor_kind {                    /* the most telling first */
                   FACTOR_LINK_WIDTH, /* a link that runs below what it can */
                   FACTOR_PATH,       /* GPU and NIC on different sockets */
                   FACTOR_NIC,        /* of one node */
                   FACTOR_SWITCH,     /* PCI switch of one node */
                   FACTOR_NUMA,       /* NUMA node of one node */
                   FACTOR_SHARED_CORES,
                   FACTOR_NODE,
                   FACTOR_RAIL, /* NICs of one name on several nodes */
                   FACTOR_GPU_MODEL,
                   FACTOR_CPU_MODEL,
                   FACTOR_DRIVER,
                   FACTOR_KERNEL,
                   FACTOR_KINDS,
};

struct factors;

int factors_create(uint32_t world_size, struct factors **ret);
void factors_destroy(struct factors *f);
/* The rank has it. Texts are copied. Several values of a kind are allowed. -ENOMEM. */
int factors_add(struct factors *f, uint32_t rank, enum factor_kind kind,
                const char *value);

bool factors_has(const struct factors *f, uint32_t rank, enum factor_kind kind,
                 const char *value);

struct factor_found {
    enum factor_kind kind;
    const char *value; /* borrowed from the factors */
    uint32_t holds;    /* ranks */
    uint32_t slow;     /* of them slow */
    double p;          /* corrected for the number of facts */
};
/* slow: distinct ranks. At most max, best first; 0: nothing that chance does not explain. */
size_t factors_find(struct factors *f, const uint32_t *slow, size_t n_slow,
                    struct factor_found *ret, size_t max);
/* "GPU and NIC on different sockets", "node gpu07", "NIC mlx5_3 of every node". */
int factor_phrase(const struct factor_found *f, struct buf *out);

#endif
