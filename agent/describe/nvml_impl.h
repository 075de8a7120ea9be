/* SPDX-License-Identifier: MIT */
/* nvml_impl - the parts of nvml.c that its test looks at. */
#ifndef AGENT_DESCRIBE_NVML_IMPL_H
#define AGENT_DESCRIBE_NVML_IMPL_H

#include "proto/wire/aolani.pb-c.h"

/* What NVML says, as nvmlmerge takes it; `error` when it cannot be used. -ENOMEM. */
int nvml_look(Aolani__Topology *seen);
/* The same in a child, which has so long. *ret: free it with protobuf-c. */
int nvml_ask(unsigned wait_ms, Aolani__Topology **ret);

#endif
