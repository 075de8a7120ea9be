/* SPDX-License-Identifier: MIT */
/* mps - is a CUDA MPS control daemon at work here? */
#ifndef AGENT_DESCRIBE_MPS_H
#define AGENT_DESCRIBE_MPS_H

#include "proto/base/err.h"
#include "proto/wire/aolani.pb-c.h"

/* Live machine only. Sets t->mps and adds a note, when t has NVIDIA GPUs and a control
 * daemon answers for `pipes` (CUDA_MPS_PIPE_DIRECTORY; NULL: /tmp/nvidia-mps). proc: "/proc",
 * another folder in tests. Fails for want of memory alone. */
int mps_annotate(Aolani__Topology *t, const char *proc, const char *pipes,
                 struct err *e);

#endif
