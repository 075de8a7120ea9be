/* SPDX-License-Identifier: MIT */
/* nvml - what NVIDIA's management library knows of this node's GPUs, put into a Topology.
 *
 * The library is asked in a child of its own: one that hangs or crashes costs what it
 * knows (a note says so), not the description. The address space that it needs must be
 * left to the child: set soft limits, not hard ones.
 */
#ifndef AGENT_DESCRIBE_NVML_H
#define AGENT_DESCRIBE_NVML_H

#include "proto/base/err.h"
#include "proto/wire/aolani.pb-c.h"

/* For the live machine only, after pci and gpus (and their places) were filled in: names
 * the GPUs of t (uuid, nvml_index, model, memory, driver), adds those that only NVML sees,
 * takes out those that cannot be used, replaces a GPU by its MIG instances, orders them all
 * by index; then as visible_apply (visible.h) with the environment's variables and, for
 * CUDA_VISIBLE_DEVICES, `visible` (NULL: not set). Without the library t stays as it is but
 * for that. What went wrong is in t->notes; fails for want of memory alone. Every string
 * and list in t is from malloc, as protobuf-c's own are. */
int nvml_annotate(Aolani__Topology *t, const char *visible, struct err *e);

#endif
