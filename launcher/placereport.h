/* SPDX-License-Identifier: MIT */
/* placereport - what a check of the place has found, as text: a table with one line for
 * all nodes that are alike, and what is wrong with which. Pure. */
#ifndef LAUNCHER_PLACEREPORT_H
#define LAUNCHER_PLACEREPORT_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/rlimits.h"

struct place_node {   /* all borrowed */
    const char *name; /* as typed */
    const char
        *hostname;    /* as the host says; "": never connected, nothing else is known */
    const char *link; /* "direct", "over ssh" */
    const char *link_why; /* "": direct; else what stood in the way of that */
    const char *agent;    /* "there", "copied" */
    size_t cores;
    uint64_t mem_bytes;
    struct rlimits limits;    /* of a rank */
    const char *program;      /* as found; "": not looked for, or not known */
    const char *error, *hint; /* "": nothing is wrong */
};

/* Adds to out. The number of different problems, or -ENOMEM. */
int placereport_text(const struct place_node *nodes, size_t n, struct buf *out);

#endif
