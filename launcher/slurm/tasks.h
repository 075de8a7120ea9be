/* SPDX-License-Identifier: MIT */
/* tasks - how many tasks on each node the user has asked Slurm for. Pure. */
#ifndef LAUNCHER_SLURM_TASKS_H
#define LAUNCHER_SLURM_TASKS_H

#include <stdint.h>

#define SLURM_TASKS_UNEQUAL (-1)

/* Of SLURM_NTASKS_PER_NODE, SLURM_NTASKS and SLURM_TASKS_PER_NODE ("2(x4)"; set also when
 * no number of tasks was asked for); each may be NULL. 0: none was asked for, or what is
 * there makes no sense. SLURM_TASKS_UNEQUAL: not as many on each. */
int64_t slurm_tasks_asked(const char *per_node, const char *all, const char *shares);

#endif
