/* SPDX-License-Identifier: MIT */
/* seed - put the agent into this machine's cache before nodes look for it in theirs: homes are
 * shared on most clusters, and one copy there spares all nodes theirs, which srun would
 * bring to each in small pieces. Best effort: it fails in silence. */
#ifndef LAUNCHER_SLURM_SEED_H
#define LAUNCHER_SLURM_SEED_H

#include "launcher/bundle.h"
#include "proto/base/loop.h"

struct seed;
/* The cache that nodes look into first has it: there is nothing to be done. */
bool seed_is_there(const struct bundle *b);
/* done: once, never from within; the seed is still to be destroyed. -errno, ERR_LIMIT: it
 * was not begun. The bundle is kept by reference. */
int seed_create(struct loop *l, const struct bundle *b, void (*done)(void *arg),
                void *arg, struct seed **ret);
void seed_destroy(struct seed *s); /* also while it is under way; takes NULL */

#endif
