/* SPDX-License-Identifier: MIT */
/* job_ncclsaid - what the agents hear of the ranks' NCCL (NCCL_SAID): a network that it should
 * not have taken is told at once, as are its warnings; the rest is kept until the end, for
 * job_nccl.c. */
#ifndef LAUNCHER_JOB_NCCLSAID_H
#define LAUNCHER_JOB_NCCLSAID_H

#include <stdbool.h>
#include <stdint.h>

#include "launcher/job.h"
#include "proto/wire/ncclsaid.h"

struct job_ncclsaid;
void job_ncclsaid_destroy(struct job_ncclsaid *s, uint32_t n_ranks); /* takes NULL */
int job_on_nccl_said(struct job *j, uint32_t node, const ProtobufCMessage *msg,
                     struct err *e);
/* *ret: zeroed, and what the agent has told of the rank. false: nothing. */
bool job_ncclsaid_recall(const struct job *j, uint32_t rank, struct ncclsaid *ret);

#endif
