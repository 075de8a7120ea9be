/* SPDX-License-Identifier: MIT */
/* bindenv - the variables by which programs are told of their binding. Pure.
 *
 * Of a node, the same on all its ranks: CUDA_VISIBLE_DEVICES (UUIDs of the job's GPUs there
 * in local-rank order), CUDA_DEVICE_ORDER, NCCL_IB_HCA ("=" form, with ports). Of a rank:
 * UCX_NET_DEVICES, and with gpu = "own" its CUDA_VISIBLE_DEVICES. AMD's GPUs by
 * ROCR_VISIBLE_DEVICES. The agent gives way to whatever the user set.
 */
#ifndef LAUNCHER_PLACE_BINDENV_H
#define LAUNCHER_PLACE_BINDENV_H

#include "launcher/place/place.h"

struct bindenv {
    struct strlist vars;  /* "NAME=value" */
    struct strlist notes; /* what could not be told to the programs, and why */
};

/* 0 or -ENOMEM; *ret is to be ended in either case. */
int bindenv_node(const struct spec *s, const struct plan *p, uint32_t node,
                 struct bindenv *ret);
int bindenv_rank(const struct spec *s, const struct plan *p, uint32_t rank,
                 struct bindenv *ret);
void bindenv_fini(struct bindenv *b); /* takes a zeroed one */

/* What of it the user has set otherwise: by [job] env, or by the environment that is
 * forwarded, of which the former wins. Calls `each` once for every such variable. */
void bindenv_conflicts(const struct bindenv *b, const struct strlist *job_env,
                       Aolani__KeyValue *const *forwarded, size_t n_forwarded,
                       void (*each)(void *arg, const char *name, const char *theirs,
                                    const char *ours),
                       void *arg);

#endif
