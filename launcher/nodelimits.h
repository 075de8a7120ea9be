/* SPDX-License-Identifier: MIT */
/* nodelimits - the resource limits of the ranks, compared between nodes. Pure.
 *
 * A program that runs on three nodes and fails on the fourth for want of locked memory
 * costs a day: what differs is said before it starts.
 */
#ifndef LAUNCHER_NODELIMITS_H
#define LAUNCHER_NODELIMITS_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/base/rlimits.h"

struct nodelimits {
    const char *name; /* of the node */
    const struct rlimits *limits;
    bool infiniband;
};

/* A sentence for each limit that differs, and one where there is too little memory to
 * lock for the adapters that a node has. */
void nodelimits_compare(const struct nodelimits *all, size_t n,
                        void (*warn)(void *arg, const char *text), void *arg);
/* A line for each kind of node: "memlock unlimited, stack 8 MiB, ... on n[1-4]". */
void nodelimits_list(const struct nodelimits *all, size_t n,
                     void (*say)(void *arg, const char *text), void *arg);
/* "memlock=unlimited stack=8388608 core=0 nofile=1024", as run.json has it. */
#define NODELIMITS_TEXT 128
void nodelimits_text(const struct rlimits *l, char ret[NODELIMITS_TEXT]);

#endif
