/* SPDX-License-Identifier: MIT */
/* batch - the script that sbatch runs for a run: a person's to read and to submit by hand.
 *
 * Pure. What it does: `aolani-run resume RUN`, again if the head is killed, with signals
 * passed on; its exit status is that of aolani-run. A link that finds the run over ends
 * with 0; one that brings it to its end cancels those after it.
 */
#ifndef LAUNCHER_SLURM_BATCH_H
#define LAUNCHER_SLURM_BATCH_H

#include <stdbool.h>

#include "launcher/spec.h"
#include "proto/base/buf.h"
#include "proto/base/err.h"

#define BATCH_BYTES   (1u << 20)
#define BATCH_RESUMES 5 /* of a head that was killed, in one job */

struct batch {
    const char *name;              /* of the run */
    const char *run;               /* its directory, absolute */
    const char *program;           /* aolani-run, absolute */
    const struct strlist *options; /* for sbatch: slurm_options */
    bool requeue;                  /* the job may begin again, be it by its own wish */
    bool alone; /* no other link follows: at 124 it asks to be requeued itself */
    bool label; /* -l */
};

/* ERR_USAGE: a word that cannot stand on a #SBATCH line; else as buf_printf. */
int batch_format(const struct batch *b, struct buf *out, struct err *e);

#endif
