/* SPDX-License-Identifier: MIT */
/* rankplaces - on which node each rank of an attempt ran, as the journal says. */
#ifndef LAUNCHER_RANKPLACES_H
#define LAUNCHER_RANKPLACES_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"

struct rankplaces {
    char **nodes; /* by index; owned */
    size_t n_nodes;
    uint32_t *node_of; /* by rank; UINT32_MAX: not known */
    size_t n_ranks;
};

/* As far as the journal goes. ret is for rankplaces_fini also on failure. */
int rankplaces_read(const char *dir, uint32_t attempt, struct rankplaces *ret,
                    struct err *e);
const char *rankplaces_node(const struct rankplaces *p,
                            uint32_t rank); /* NULL: not known */
void rankplaces_fini(struct rankplaces *p);

#endif
