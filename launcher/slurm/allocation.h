/* SPDX-License-Identifier: MIT */
/* allocation - nodes from the queue, for a launcher that was started outside of it: asked
 * for, waited for with words to the user, used as if we were inside, and given back. */
#ifndef LAUNCHER_SLURM_ALLOCATION_H
#define LAUNCHER_SLURM_ALLOCATION_H

#include <stdint.h>

#include "launcher/slurm/jobend.h"
#include "launcher/spec.h"
#include "proto/base/err.h"
#include "proto/base/loop.h"

struct allocation;
/* With the slurm back end outside of any job: runs the loop (NULL: one of its own) until
 * the nodes are there, and sets SLURM_* in our environment. Ctrl-C, TERM and HUP cancel.
 * 0: go on; *ret is NULL where there was nothing to ask for. > 0: the signal by which the
 * user ended it, all has been said. ERR_USAGE, ERR_BOOT: there are no nodes. Only with 0
 * is *ret set. */
int allocation_get(struct loop *l, const struct spec *s, struct allocation **ret,
                   struct err *e);
/* Those below take NULL for an allocation. */
uint64_t allocation_queued_ms(const struct allocation *a);
/* Called when Slurm has taken the nodes while they were in use; at once if it has already.
 * On the loop, if the caller runs it. why: with Slurm's reason. */
typedef void (*allocation_lost_f)(void *arg, const struct err *why,
                                  const struct slurm_end *end);
void allocation_watch(struct allocation *a, allocation_lost_f lost, void *arg);
/* What ran on the nodes has come to a bad end. Should Slurm have taken them, runs the loop
 * until the watcher has been told. */
void allocation_settle(struct allocation *a);
/* Begin to give the nodes back: nothing runs on them any more. Runs the loop for a moment. */
void allocation_release(struct allocation *a);
/* Gives them back, and runs the loop until they are: seconds, or a minute when Slurm does
 * not answer; then it warns. Before the loop is destroyed. */
void allocation_destroy(struct allocation *a);

#endif
