/* SPDX-License-Identifier: MIT */
/* plan_sheet - a kind of node on the page of a plan. A part of plan_table. */
#ifndef LAUNCHER_PLAN_SHEET_H
#define LAUNCHER_PLAN_SHEET_H

#include "launcher/plan_view.h"
#include "launcher/report_table.h"

#define SHEET_TEXT (1u << 20) /* of one paragraph */

struct sheet {
    const struct plan_view *v;
    struct page page;
    uint32_t node; /* the first of the block */
    size_t block, n_nodes;
    const struct topo *topo;
};

static inline const struct plan *sheet_plan(const struct sheet *s)
{
    return s->v->in.plan;
}

static inline uint32_t sheet_first_rank(const struct sheet *s)
{
    return sheet_plan(s)->first_rank[s->node];
}

static inline uint32_t sheet_n_ranks(const struct sheet *s)
{
    return sheet_plan(s)->first_rank[s->node + 1] - sheet_first_rank(s);
}

/* The first failure stays. */
static inline void sheet_fail(struct sheet *s, int rc)
{
    if (s->page.rc == 0 && rc < 0)
        s->page.rc = rc;
}

/* What stands below the table: GPUDirect, NCCL's choice, the environment, notes. */
void sheet_below(struct sheet *s);

#endif
