/* SPDX-License-Identifier: MIT */
/* envbase - what the environment of a node's ranks is built on. Pure.
 *
 * Weakest first: the node's own (what its sshd gives the agent), without what another
 * launcher left in it; what the head has forwarded; what the setup text has changed. In
 * PATH and LD_LIBRARY_PATH the head's folders come first and those that only the node has
 * follow, so that a virtual environment of the head is found and a node's own tools too.
 */
#ifndef AGENT_ENVBASE_H
#define AGENT_ENVBASE_H

#include "agent/envlist.h"
#include "proto/base/err.h"

/* own: NULL-ended. *ret zeroed before. */
int envbase_build(char *const *own, const Aolani__Prepare *p, struct envlist *ret,
                  struct err *e);
/* The same after a setup text: dump is its environment, each entry NUL-ended. */
int envbase_from_dump(const char *dump, size_t len, struct envlist *ret, struct err *e);

/* PATH, LD_LIBRARY_PATH: joined, not replaced. */
bool envbase_is_path(const char *name);
/* "a:b" and "b:c": "a:b:c". Empty parts, which mean the working directory, are kept of
 * `first` alone. To be freed; NULL: no memory. */
char *envbase_join(const char *first, const char *then);
/* Is `now` the list `old` with more before or after it? */
bool envbase_extends(const char *now, const char *old);

/* Linux gives a program only so much. -E2BIG: with the variable to blame. stack: the soft
 * limit of the program. */
int envbase_fits(char *const *env, char *const *argv, size_t stack, struct err *e);

#endif
