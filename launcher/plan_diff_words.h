/* SPDX-License-Identifier: MIT */
/* plan_diff_words - a difference in words. A part of plan_diff. Pure. */
#ifndef LAUNCHER_PLAN_DIFF_WORDS_H
#define LAUNCHER_PLAN_DIFF_WORDS_H

#include "launcher/plan_facts.h"

struct difference {
    enum fact_kind kind;
    const char *id;
    const char *mine, *others; /* NULL: has no such thing, or it is not known */
    int64_t gpu;               /* index, of the kinds about a GPU; -1: not known */
};

/* Allocated; *ret NULL: nothing to tell. -ENOMEM. */
int plan_diff_say(const struct difference *d, char **ret);

#endif
