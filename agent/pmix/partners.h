/* SPDX-License-Identifier: MIT */
/* partners - who takes part in a PMIx collective, and what it is called: the same name on
 * every node. Pure. */
#ifndef AGENT_PMIX_PARTNERS_H
#define AGENT_PMIX_PARTNERS_H

#include <stdbool.h>

#include "proto/base/rankset.h"

#define PARTNERS_KEY_BYTES 24

struct partners_set {
    bool all; /* every rank of the job */
    struct rankset ranks;
    uint32_t *nodes; /* ascending */
    size_t n_nodes;
    uint8_t key[PARTNERS_KEY_BYTES];
};

struct partners;
/* first_rank: n_nodes + 1 entries; copied. */
int partners_create(size_t n_nodes, const uint32_t *first_rank, struct partners **ret);
void partners_destroy(struct partners *p);
/* The next collective of these ranks, or of all. -ENOENT: no such rank; ERR_LIMIT: too
 * many different sets. ret needs partners_set_fini. */
int partners_resolve(struct partners *p, bool all, const uint32_t *ranks,
                     size_t n_ranks, struct partners_set *ret);
bool partners_has(const struct partners_set *s, uint32_t rank);
void partners_set_fini(struct partners_set *s);

#endif
