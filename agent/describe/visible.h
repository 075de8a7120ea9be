/* SPDX-License-Identifier: MIT */
/* visible - what a site's CUDA_VISIBLE_DEVICES and the like leave of a node's GPUs. Pure. */
#ifndef AGENT_DESCRIBE_VISIBLE_H
#define AGENT_DESCRIBE_VISIBLE_H

#include "proto/base/err.h"
#include "proto/wire/aolani.pb-c.h"

struct visible_env {               /* NULL: not set */
    const char *cuda, *cuda_order; /* CUDA_VISIBLE_DEVICES, CUDA_DEVICE_ORDER */
    const char *nvidia;            /* NVIDIA_VISIBLE_DEVICES */
    const char *rocr, *hip;        /* ROCR_VISIBLE_DEVICES, HIP_VISIBLE_DEVICES */
};

/* Takes the hidden ones out of t->gpus, which are in the order of their indexes and stay
 * so; counts them in hidden_gpus and records the variable in `visible`. Adds notes. Fails
 * for want of memory alone. */
int visible_apply(Aolani__Topology *t, const struct visible_env *env, struct err *e);

#endif
