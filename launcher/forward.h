/* SPDX-License-Identifier: MIT */
/* forward - which variables of the head travel to the ranks. Pure: the policy of
 * job.forward_env and an environment in, a list for the message out.
 *
 * "auto" has a table of what programs for training read, "all" is everything but a table of
 * what belongs to this machine or this session; both may stand beside names and prefixes.
 * What is named travels, whatever it is.
 */
#ifndef LAUNCHER_FORWARD_H
#define LAUNCHER_FORWARD_H

#include <stdbool.h>

#include "launcher/spec.h"
#include "proto/wire/aolani.pb-c.h"

struct forward {
    Aolani__KeyValue **list; /* of `n`; values point into the environment */
    size_t n;
};

/* ERR_USAGE: a word that is no name, or more than a message takes: with the largest
 * variable. env: NULL-ended. */
int forward_select(const struct strlist *policy, char *const *env, struct forward *ret,
                   struct err *e);
void forward_fini(struct forward *f);
/* A name, a prefix with '*' at its end, or one of the words. */
bool forward_is_policy(const char *word);
/* Does a node that is this machine start from all that is here ("auto", "all")? Else from
 * next to nothing, and what is named. */
bool forward_takes_all(const struct strlist *policy);

#endif
