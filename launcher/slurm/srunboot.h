/* SPDX-License-Identifier: MIT */
/* srunboot - agents by srun, inside a job of Slurm's: one srun for all nodes of a start
 * (boot.h). Where it breaks on single nodes it is started again without them. */
#ifndef LAUNCHER_SLURM_SRUNBOOT_H
#define LAUNCHER_SLURM_SRUNBOOT_H

#include "launcher/boot.h"

extern const struct boot_kind boot_srun;

#endif
