/* SPDX-License-Identifier: MIT */
/* plan_draw - a node as boxes within boxes: packages, NUMA nodes, caches, host bridges,
 * switches, devices, with the ranks on them; what draws it as text or SVG walks these.
 */
#ifndef LAUNCHER_PLAN_DRAW_H
#define LAUNCHER_PLAN_DRAW_H

#include "launcher/plan_view.h"

enum draw_kind {
    DRAW_NODE,
    DRAW_PACKAGE,
    DRAW_NUMA,
    DRAW_L3,
    DRAW_CORES, /* of one rank, or of none */
    DRAW_HOST,
    DRAW_SWITCH,
    DRAW_GPU,
    DRAW_NIC,
};

struct draw_box {
    enum draw_kind kind;
    char *title, *detail;
    char *ranks; /* "rank 3"; NULL: none */
    char *mark;  /* what keeps it from being used: "port down"; NULL: nothing */
    struct draw_box *children, *last, *next;
};

/* The first node of the block, under the names of all. NULL: no memory. */
struct draw_box *draw_build(const struct plan_view *v, size_t block);
void draw_free(struct draw_box *b); /* and all in it; takes NULL */

#endif
