/* SPDX-License-Identifier: MIT */
/* gone - that a job of Slurm's is over: waited for, helped with scancel, and proven by
 * asking, within a bound. */
#ifndef LAUNCHER_SLURM_GONE_H
#define LAUNCHER_SLURM_GONE_H

#include <stdint.h>

#include "proto/base/err.h"
#include "proto/base/loop.h"

#define SLURM_GONE_MS 60000u /* then it is not proven */

struct slurm_gone;
/* state: Slurm's last word of it ("COMPLETED", "TIMEOUT"), "" when Slurm has forgotten the
 * job, NULL when it is not proven (e says why). Called once, never from within
 * slurm_gone_start, never after slurm_gone_destroy; may destroy it. */
typedef void (*slurm_gone_done)(void *arg, const char *state, const struct err *e);
/* cancel_ms: when it is cancelled, should it still be there. */
int slurm_gone_start(struct loop *l, uint32_t id, unsigned cancel_ms,
                     slurm_gone_done done, void *arg, struct slurm_gone **ret,
                     struct err *e);
void slurm_gone_destroy(struct slurm_gone *g); /* takes NULL */

#endif
