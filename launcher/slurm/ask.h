/* SPDX-License-Identifier: MIT */
/* ask - Slurm's own commands (or, where the site has built it, libslurm in a helper), run
 * with a deadline and a bound on what they may print. */
#ifndef LAUNCHER_SLURM_ASK_H
#define LAUNCHER_SLURM_ASK_H

#include <stdint.h>

#include "launcher/slurm/facts.h"
#include "proto/base/buf.h"
#include "proto/base/loop.h"

#define SLURM_ASK_MS \
    20000u /* an unreachable slurmctld is retried by its commands for long */
#define SLURM_ASK_BYTES (1u << 20) /* of a command's output: 40000 pending jobs */

/* Commands are found by PATH (-ENOENT: they are not), read nothing but `input`, and end with
 * their process group at the deadline (-ETIMEDOUT) or with their owner. -EIO: it failed;
 * ERR_USAGE: because there is no such job; ERR_LIMIT: it printed too much. Those that hand
 * their environment to a job (sbatch, salloc) get ours without what a run cannot have
 * (SBATCH_WAIT, ...); srun, which is for a step in another job, without what is of ours
 * (SLURM_GPUS, ...); all others without the variables that are options of theirs
 * (SQUEUE_FORMAT, ...), and print times as seconds since 1970. */

/* ---- on the loop ---- */
struct slurm_ask;
/* job: NULL when it could not be learnt (e says why; ERR_USAGE: there is no such job);
 * borrowed, until the return. Called once, never from within slurm_ask_job, never after
 * slurm_ask_destroy. */
typedef void (*slurm_ask_done)(void *arg, const struct slurm_job *job,
                               const struct err *e);
int slurm_ask_job(struct loop *l, uint32_t id, slurm_ask_done done, void *arg,
                  struct slurm_ask **ret, struct err *e);
/* Any command of Slurm's, by name and words: its standard output, whole, as C text; NULL
 * when it failed or was too slow, and then e has its last words. argv ends with NULL and is
 * copied. */
typedef void (*slurm_run_done)(void *arg, const struct buf *out, const struct err *e);
int slurm_ask_run(struct loop *l, char *const *argv, slurm_run_done done, void *arg,
                  struct slurm_ask **ret, struct err *e);
/* Ends it if it is under way; also from within its `done`. Takes NULL. */
void slurm_ask_destroy(struct slurm_ask *a);

/* ---- for verbs without a loop: these block, up to SLURM_ASK_MS ---- */
int slurm_job_now(uint32_t id, struct slurm_job *ret, struct err *e);
int slurm_run_now(char *const *argv, const char *input, struct buf *out, struct err *e);

#endif
