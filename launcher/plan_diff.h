/* SPDX-License-Identifier: MIT */
/* plan_diff - what differs between the nodes of a job: a GPU or NIC that is missing or of
 * another model, a port that is down, a narrower link, another NUMA setting. Pure.
 *
 * Each thing that can differ is compared by itself with what most nodes have; of as many on
 * both sides, with the better: an odd one out is named by what is wrong with it. Names of
 * devices are their PCI address for GPUs, and their own for NICs. Ethernet-only NICs count
 * for nothing here, since nothing is bound to them.
 */
#ifndef LAUNCHER_PLAN_DIFF_H
#define LAUNCHER_PLAN_DIFF_H

#include <stddef.h>
#include <stdint.h>

#include "launcher/place/topo.h"
#include "proto/base/buf.h"

struct plan_diff_group { /* nodes that differ alike */
    uint32_t *nodes;     /* ascending */
    size_t n_nodes;
    char **what;   /* "mlx5_4 down"; without names of nodes */
    size_t *named; /* how many bytes of each are the name of a NIC; 0: of none */
    size_t n_what; /* 0: as most nodes are */
};

struct plan_diff {
    struct plan_diff_group *groups; /* those that are as most are first, then by node */
    size_t n_groups, n_nodes, n_differ;
};

int plan_diff(struct topo *const *topos, size_t n, struct plan_diff *ret); /* -ENOMEM */
void plan_diff_fini(struct plan_diff *d);
/* "gpu[001-014,016]: same; gpu015: mlx5_4 down": in one line where it fits, else a group on
 * each, wrapped. Nothing for one node. */
int plan_diff_format(const struct plan_diff *d, char *const *names, struct buf *out);
/* The differences of the group as one text, at most `most` of them and how many more. */
int plan_diff_words(const struct plan_diff_group *g, size_t most, struct buf *out);

#endif
