/* SPDX-License-Identifier: MIT */
/* salloc - nodes asked of Slurm by a child that holds them as long as we live: its standard
 * input is our lifeline. However this process ends, the pipe ends with it, and the job is
 * cancelled or the nodes are given back. On the loop; says nothing to the user. */
#ifndef LAUNCHER_SLURM_SALLOC_H
#define LAUNCHER_SLURM_SALLOC_H

#include <stdbool.h>
#include <stdint.h>

#include "launcher/slurm/jobend.h"
#include "launcher/spec.h"
#include "proto/base/err.h"
#include "proto/base/loop.h"

struct salloc;
struct salloc_ops {
    void (*on_pending)(void *arg, uint32_t id);   /* it is in the queue; once */
    void (*on_says)(void *arg, const char *line); /* words of the site to the user */
    /* env: SLURM_* of the allocation, "NAME=value"; borrowed. Once. */
    void (*on_granted)(void *arg, const struct strlist *env);
    /* Once, and the last. The child is gone, and so is the job, or e says so.
     * why: NULL after salloc_release; else why there are no nodes (before on_granted;
     * ERR_USAGE, ERR_BOOT, ERR_PROTO), or who took them (after it; ERR_BOOT).
     * unproven: NULL; else why the job may still be there. May destroy. */
    void (*on_end)(void *arg, const struct err *why, const struct err *unproven);
};

/* ERR_USAGE: what is asked for makes no sense; else a system error. */
int salloc_start(struct loop *l, const struct spec *s, const struct salloc_ops *ops,
                 void *arg, struct salloc **ret, struct err *e);
/* We want no nodes any more: the job is cancelled while it waits, else ends as one that is
 * done. Again: at once. on_end follows. */
void salloc_release(struct salloc *a);
/* Slurm says that the job is over, which salloc may never hear: it is asked to end, as if
 * it had said so itself. on_end follows. */
void salloc_revoked(struct salloc *a);
/* With on_end, when Slurm took the nodes: how, as far as it says. */
const struct slurm_end *salloc_lost(const struct salloc *a);
uint32_t salloc_job(const struct salloc *a); /* 0: not known yet */
/* Takes NULL. One that has not ended is left to the lifeline. */
void salloc_destroy(struct salloc *a);

#endif
