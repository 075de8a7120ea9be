/* SPDX-License-Identifier: MIT */
/* ncclconf - the files that NCCL takes variables from where its environment has none. */
#ifndef AGENT_NCCLCONF_H
#define AGENT_NCCLCONF_H

#include <stdbool.h>

/* Does the file set a variable whose name begins so? false also for what cannot be read. */
bool ncclconf_sets(const char *path, const char *prefix);

#endif
