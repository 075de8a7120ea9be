/* SPDX-License-Identifier: MIT */
/* job_checks - what is required of nodes and of the network, and what is wrong with GPUs:
 * job_audit.c, job_faults.c and job_nccl.c. A part of job; included by job_impl.h. */
#ifndef LAUNCHER_JOB_CHECKS_H
#define LAUNCHER_JOB_CHECKS_H

#include "proto/base/err.h"
#include "proto/wire/aolani.pb-c.h"

struct job;
struct job_audit;

/* ---- job_audit.c ---- */
void job_audit_begin(struct job *j); /* AUDITED or FAILED follows, now or later */
void job_audit_tick(struct job *j, uint64_t now_ms);
void job_audit_destroy(struct job_audit *a);
const char *job_audit_text(const struct job *j); /* for the report; "": not asked */
/* Output of a rank as it comes: the job fails when NCCL says there that it uses a network
 * that it must not; a warning where it only need not. */
void job_watch_net(struct job *j, uint32_t rank, int stream, const void *data,
                   size_t len);
struct ncclsaid;
void job_judge_net(struct job *j, uint32_t rank,
                   const struct ncclsaid *s); /* the same of what an agent has heard */
int job_on_audit_said(struct job *j, uint32_t node, const ProtobufCMessage *msg,
                      struct err *e);

/* ---- job_faults.c ---- */
/* Errors of GPUs in signals that were taken. */
void job_take_faults(struct job *j, uint32_t node, const Aolani__NodeSignals *m);

/* ---- job_nccl.c ---- */
void job_compare_nccl(struct job *j); /* once the output is written; may warn */
/* Of a large job only some ranks are compared, unless all must prove their network. */
bool job_nccl_reads(const struct job *j, uint32_t rank);
/* Several nodes have GPUs and NICs for them, and the user has not said that NCCL is to take
 * sockets. */
bool job_nccl_may_use_ib(const struct job *j);
/* A job that went well and must prove its network has failed where its ranks have not
 * said so. Once the output is written. */
void job_prove_net(struct job *j);

#endif
