/* SPDX-License-Identifier: MIT */
/* plan_diff_impl - what plan_diff.c (facts, class by class) and plan_diff_groups.c (memory,
 * and the groups) share. */
#ifndef LAUNCHER_PLAN_DIFF_IMPL_H
#define LAUNCHER_PLAN_DIFF_IMPL_H

#include "launcher/plan_diff.h"
#include "launcher/plan_diff_words.h"
#include "launcher/plan_facts.h"

struct item { /* a difference of a class; what it points at is the facts' */
    struct difference d;
    char *text;
};

struct class
{
    struct facts facts;
    uint64_t hash;
    size_t n_nodes;
    struct item *items;
    size_t n_items, cap_items;
    size_t n_missing, n_more; /* GPUs */
};

struct use {
    const struct fact *fact;
    struct class *class;
};

struct work {
    struct class *classes;
    uint32_t *class_of; /* of each node */
    size_t n_nodes, n_classes;
    struct use *uses; /* all facts, sorted */
    size_t n_uses;
    const struct use **mine; /* of one key, by class */
    size_t n_gpus;           /* of most nodes */
    uint64_t *memory;        /* of each node */
    uint64_t usual_memory;
};

/* ---- plan_diff_groups.c ---- */

int diff_find_memory(struct work *w); /* usual_memory */
/* Nodes of the same words. *d is the caller's to end in any case. */
int diff_make_groups(struct plan_diff *d, const struct work *w);

#endif
