/* SPDX-License-Identifier: MIT */
/* srunargs - how srun is called to bring an agent to each of some nodes of the job: one
 * task on each, within what the job has there, bound to nothing. Pure. */
#ifndef LAUNCHER_SLURM_SRUNARGS_H
#define LAUNCHER_SLURM_SRUNARGS_H

#include <stdbool.h>

#include "launcher/spec.h"

/* script: for /bin/sh -c; it can be read by others, so it holds no secret. ret is the
 * caller's to fini, also on failure. */
int srunargs_argv(const char *const *nodes, size_t n, const char *script,
                  struct strlist *ret);
/* Our environment without the variables that would be options of srun: those of the
 * allocation describe the job's tasks, and there is one agent to a node. */
int srunargs_env(char *const *env, struct strlist *ret);
/* Of Slurm's variables: one that tells more than which cluster it is. No step of another
 * job than ours may have it. */
bool srunargs_is_of_our_job(const char *entry);

#endif
