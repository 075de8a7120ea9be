/* SPDX-License-Identifier: MIT */
/* collmap - the file for what NCCL tells, which the agent made, in the rank's memory. */
#ifndef PROTO_CLIENT_NCCL_COLLMAP_H
#define PROTO_CLIENT_NCCL_COLLMAP_H

#include "proto/wire/collrec.h"

/* NULL: there is none, or it is not ours, or not of this version, or another process that
 * lives writes into it. It stays mapped as long as the process. */
struct collfile *collmap_open(const char *path);

#endif
