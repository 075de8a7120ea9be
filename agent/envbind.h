/* SPDX-License-Identifier: MIT */
/* envbind - the variables of the binding, beside what is there already. Pure.
 *
 * They are set where nobody else has set the name: the node's own environment, what was
 * forwarded, the setup text and [job] env are all stronger. But a filter of devices that
 * the agent itself was started with (a site's CUDA_VISIBLE_DEVICES, "2,3") is no wish
 * about the ranks: aolani-describe has looked through it, the plan knows only what it left,
 * and ours, which says the same by UUIDs and in the ranks' order, takes its place.
 */
#ifndef AGENT_ENVBIND_H
#define AGENT_ENVBIND_H

#include "agent/envlist.h"

struct envbind {
    const Aolani__Prepare *plan;
    char *const *own; /* what the agent was started with; NULL-ended */
};

/* l: all that is weaker than [job] env. 0 or -ENOMEM. */
int envbind_set(const struct envbind *b, const Aolani__RankPlan *rank,
                struct envlist *l);

/* What keeps a variable of the binding from being set, but for what the head sees itself:
 * what it forwarded, and [job] env. */
struct envbind_conflict {
    const char *name; /* of the binding's */
    const char *ours;
    const char *by; /* the name that stands against it, mostly the same */
    const char *theirs;
    bool by_setup; /* the setup text has set it, else the node has it */
};
/* Once for each name. base: as the ranks' is built on. */
void envbind_conflicts(const struct envbind *b, const struct envlist *base,
                       void (*each)(void *arg, const struct envbind_conflict *c),
                       void *arg);

#endif
