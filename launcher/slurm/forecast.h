/* SPDX-License-Identifier: MIT */
/* forecast - what Slurm says of a job before there is one: `sbatch --test-only`. Nothing is
 * submitted. */
#ifndef LAUNCHER_SLURM_FORECAST_H
#define LAUNCHER_SLURM_FORECAST_H

#include <stdint.h>

#include "launcher/spec.h"
#include "proto/base/buf.h"
#include "proto/base/err.h"

/* "Slurm would start it now, on n[1-2] of partition \"main\"". Blocks, up to SLURM_ASK_MS.
 * ERR_USAGE: Slurm would refuse it; ERR_BOOT: Slurm cannot be asked. */
int slurm_forecast(const struct spec *s, struct buf *out, struct err *e);

/* The pure part: what the command printed, ended by "status " and its exit status. */
int forecast_words(const char *said, uint64_t now_real_ns, struct buf *out,
                   struct err *e);

#endif
