/* SPDX-License-Identifier: MIT */
/* fence - PMIx collectives and key look-ups across nodes, at the head. Pure.
 *
 * A fence is complete when every node that it names has given its part; then all get the
 * parts joined in order of the node index. It fails, never hangs: when a participant is
 * lost, or says that it cannot give its part, all others get a failure; so does whoever
 * comes later to a collective that has failed, or that names a node which is gone. */
#ifndef LAUNCHER_FENCE_H
#define LAUNCHER_FENCE_H

#include <stdint.h>

#include "proto/base/err.h"
#include "proto/wire/aolani.pb-c.h"

/* Called from within the functions below; must not call back into them. */
struct fence_ops {
    void (*done)(void *arg, uint32_t node, const Aolani__FenceDone *m);
    /* Ask the owner of a rank, and answer who had asked. */
    void (*get)(void *arg, uint32_t node, const Aolani__ModexGet *m);
    void (*got)(void *arg, uint32_t node, const Aolani__ModexData *m);
};
struct fences;
/* first_rank: n_nodes + 1 entries, as in Prepare; copied. */
int fences_create(uint32_t n_nodes, const uint32_t *first_rank,
                  const struct fence_ops *ops, void *arg, struct fences **ret);
void fences_destroy(struct fences *f);
/* ERR_PROTO: names nodes that do not exist, or the node not itself, or gives twice. */
int fences_add(struct fences *f, uint32_t node, const Aolani__Fence *m, struct err *e);
int fences_get(struct fences *f, uint32_t node, const Aolani__ModexGet *m,
               struct err *e);
int fences_data(struct fences *f, uint32_t node, const Aolani__ModexData *m,
                struct err *e);
void fences_node_lost(struct fences *f, uint32_t node);

#endif
