/* SPDX-License-Identifier: MIT */
/* nvmlmerge - one description from what the buses show and what NVML says. Pure. */
#ifndef AGENT_DESCRIBE_NVMLMERGE_H
#define AGENT_DESCRIBE_NVMLMERGE_H

#include "proto/base/err.h"
#include "proto/wire/aolani.pb-c.h"

/* seen: what NVML says, in its order (nvml_look); its gpus have bus ids and no places, its
 * pci list is of the GPUs that it has left out, with a note. On success t has what was in
 * it and seen may only be freed. Fails for want of memory alone; t is then as it was. */
int nvmlmerge(Aolani__Topology *t, Aolani__Topology *seen, struct err *e);

#endif
