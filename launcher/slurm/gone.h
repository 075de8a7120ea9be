/* SPDX-License-Identifier: MIT */
/* gone - that a job of Slurm's is over: waited for, helped with scancel, and proven by
 * asking, within a bound. */
#ifndef LAUNCHER_SLURM_GONE_H
#define LAUNCHER_SLURM_GONE_H

#include <stdint.h>

#include "launcher/slurm/facts.h"
#include "proto/base/err.h"
#include "proto/base/loop.h"

#define SLURM_GONE_MS 60000u /* then it is not proven */

struct slurm_gone;
/* job: what Slurm says of it in the end; NULL: Slurm has forgotten it, or it is not proven
 * to be gone (e says why; else NULL). Called once, never from within slurm_gone_start, never
 * after slurm_gone_destroy; may destroy it. */
typedef void (*slurm_gone_done)(void *arg, const struct slurm_job *job,
                                const struct err *e);
/* cancel_ms: when it is cancelled, should it still be there. */
int slurm_gone_start(struct loop *l, uint32_t id, unsigned cancel_ms,
                     slurm_gone_done done, void *arg, struct slurm_gone **ret,
                     struct err *e);
void slurm_gone_destroy(struct slurm_gone *g); /* takes NULL */

#endif
