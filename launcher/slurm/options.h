/* SPDX-License-Identifier: MIT */
/* options - what a job asks of Slurm, as words that salloc and sbatch both take. Pure:
 * made from the job file alone. */
#ifndef LAUNCHER_SLURM_OPTIONS_H
#define LAUNCHER_SLURM_OPTIONS_H

#include <stdint.h>

#include "launcher/spec.h"
#include "proto/base/err.h"

#define SLURM_TIME_UNLIMITED UINT64_MAX

/* "--nodes=4", "--time=01:30:00", ...: an option and its value are one word, so that each
 * may stand on a #SBATCH line; [slurm] extra comes last, word for word, and wins. Added to
 * ret, which strlist_fini frees also on failure. ERR_USAGE: a value that no Slurm could
 * take, with the key's name; -ENOMEM.
 *
 * Nodes are count and spares, or the hosts by name. A number of ranks per node is asked
 * for as tasks, so that each has a CPU at least; a rank for each GPU as the number of GPUs
 * in gres, or, where nothing says how many GPUs, as whole nodes. */
int slurm_options(const struct spec *s, struct strlist *ret, struct err *e);

/* How many nodes that asks for, without spares. */
size_t slurm_options_nodes(const struct spec *s);

/* A value of [slurm] or [schedule] begin that came from outside: one line of printable
 * text that is not an option itself. NULL when it is; else why not. */
const char *slurm_value_problem(const char *text);

/* "90m", "12h" as everywhere in a job file, or as Slurm has it: minutes, minutes:seconds,
 * hours:minutes:seconds, days-hours[:minutes[:seconds]], UNLIMITED. ERR_PARSE. */
int slurm_time_parse(const char *text, uint64_t *ret_s, struct err *e);

/* How many GPUs of a node a gres asks for: "gpu:4", "gpu:a100:2,nvme:1", "gpu" (one). 0:
 * none, or none that makes sense. */
uint32_t slurm_gres_gpus(const char *gres);

#endif
