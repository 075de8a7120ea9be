/* SPDX-License-Identifier: MIT */
/* nodes - which nodes a job runs on, from the spec alone: no contact with any. */
#ifndef LAUNCHER_NODES_H
#define LAUNCHER_NODES_H

#include <stddef.h>

#include "launcher/spec.h"

struct nodes {
    enum spec_backend backend; /* never BACKEND_AUTO or _SLURM */
    char **names;              /* as typed; owned */
    size_t n;
};

/* ERR_USAGE: no hosts, or more asked for than there are. */
int nodes_resolve(const struct spec *s, struct nodes *ret, struct err *e);
void nodes_fini(struct nodes *n);

#endif
