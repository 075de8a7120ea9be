/* SPDX-License-Identifier: MIT */
/* nodes - which nodes a job runs on, from the spec and, with Slurm, the environment: no
 * contact with any. A node is a place in the job (an index); the host in that place may be
 * replaced by a spare one. */
#ifndef LAUNCHER_NODES_H
#define LAUNCHER_NODES_H

#include <stddef.h>
#include <stdint.h>

#include "launcher/slurm/facts.h"
#include "launcher/spec.h"

struct nodes {
    enum spec_backend backend; /* never BACKEND_AUTO */
    char **names;              /* as typed; owned */
    size_t n;
    char **spares; /* behind the names; one that is used up holds whom it replaced */
    size_t n_spares, next_spare;
    uint32_t *n_replaced; /* per node: how many hosts were replaced; NULL: no spares */
};

/* ERR_USAGE: no hosts, or more asked for than there are. With Slurm's back end the nodes
 * are those of the job that the environment tells of. */
int nodes_resolve(const struct spec *s, struct nodes *ret, struct err *e);
/* The same of this job; pure. */
int nodes_of_slurm(const struct spec *s, const struct slurm_job *job, struct nodes *ret,
                   struct err *e);
/* A spare host takes the place of this one: names[node] is the spare's from now. The name
 * of the host that goes, or NULL: no spare is left. Names stay valid until nodes_fini. */
const char *nodes_take_spare(struct nodes *n, size_t node);
/* The next attempt goes without this node: those after it move up, and its name is freed, so
 * that no job may know it any more. There is another. */
void nodes_drop(struct nodes *n, size_t node);
/* For a check, which asks spares like all others: they are nodes from now. */
void nodes_enlist_spares(struct nodes *n);
void nodes_fini(struct nodes *n);

#endif
