/* SPDX-License-Identifier: MIT */
/* gpuorder - the order of GPUs, which is their index. Pure. */
#ifndef AGENT_DESCRIBE_GPUORDER_H
#define AGENT_DESCRIBE_GPUORDER_H

#include "proto/wire/aolani.pb-c.h"

/* NVIDIA's, then AMD's, then Intel's, then others; of one vendor by NVML's index, else by
 * the number in the name of the driver's object, those with one first; then by PCI
 * address, and the parts of one in turn. */
void gpuorder_sort(Aolani__Topology *t);

#endif
