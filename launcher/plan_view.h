/* SPDX-License-Identifier: MIT */
/* plan_view - all that `aolani-run plan` says, before it is a table, JSON or a drawing: the
 * plan with the variables of the ranks, what NCCL will do with it, and what differs between
 * the nodes. Pure but for the environment, of which it looks at what is forwarded.
 */
#ifndef LAUNCHER_PLAN_VIEW_H
#define LAUNCHER_PLAN_VIEW_H

#include "launcher/place/bindenv.h"
#include "launcher/place/nccl.h"
#include "launcher/place/place.h"
#include "launcher/plan_diff.h"

struct plan_input { /* by reference */
    const struct spec *spec;
    bool shared_host;
    char *const *names;
    struct topo *const *topos; /* of every node */
    const struct plan *plan;
    char *const *environ_; /* NULL-ended */
};

struct plan_view_rank {
    struct bindenv env;      /* of this rank alone */
    bool has_gpu, has_nic;   /* only with both is there something to say of NCCL */
    bool gdr;                /* to its own NIC */
    char why[120];           /* of gdr */
    bool predicted;          /* NCCL's choice is known */
    bool nccl_differs;       /* it takes another NIC */
    struct nccl_choice nccl; /* of its first GPU */
};

struct plan_view {
    struct plan_input in;
    struct plan_view_rank *ranks; /* plan->world_size */
    struct bindenv *envs;         /* of each node */
    struct plan_diff diff;
    const struct plan_diff_group **differs; /* of each node; NULL: as most are */
    struct strlist notes; /* of the whole job: what the user's environment overrides */
    uint32_t *block_of;   /* of each node: its block */
    uint32_t *blocks;     /* nodes that are alike in all but names: the first of each */
    size_t n_blocks;
};

/* -ENOMEM, ERR_USAGE of the environment's. All of `in` must outlive it. */
int plan_view_init(struct plan_view *v, const struct plan_input *in, struct err *e);
void plan_view_fini(struct plan_view *v); /* takes a zeroed one */

/* The part of a rank that is there, else NULL. */
const struct topo_nic *plan_view_nic(const struct plan_view *v, uint32_t rank);
/* The names of the nodes of a block, folded. */
int plan_view_block_names(const struct plan_view *v, size_t block, struct buf *out);
/* One GPU or more on a node, all for its one rank, and nobody asked for that. */
bool plan_view_is_lone_rank(const struct plan_view *v);

/* The ways to show it. -ENOMEM, ERR_LIMIT. */
int plan_table(const struct plan_view *v, struct buf *out);
int plan_json(const struct plan_view *v, struct buf *out);
int plan_draw_text(const struct plan_view *v, struct buf *out);
int plan_draw_svg(const struct plan_view *v, struct buf *out);

#endif
