/* SPDX-License-Identifier: MIT */
/* job_stall - a job whose ranks end no step any more: all nodes are asked what their ranks
 * do, one what NCCL's RAS service says, and the user is told once who stands out. Nothing
 * of it ends a job. A part of job; included by job_impl.h.
 *
 * In tests, AOLANI_TEST_STALL_MS in the environment of aolani-run stands for STALL_MS. */
#ifndef LAUNCHER_JOB_STALL_H
#define LAUNCHER_JOB_STALL_H

#include <stdint.h>

#include "launcher/summary.h"
#include "proto/base/err.h"

struct job;
struct job_stall;

#define JOB_STALLS 100u /* that the summary has; more are counted nowhere */

int job_stall_create(struct job *j); /* once there are ranks. -ENOMEM */
void job_stall_destroy(struct job_stall *s);
/* The rank has ended this step. */
void job_stall_news(struct job *j, uint32_t rank, uint32_t step);
/* Steps are counted anew: they come from another source. */
void job_stall_anew(struct job *j);
void job_stall_tick(struct job *j, uint64_t now_ms);
int job_on_stall_seen(struct job *j, uint32_t node, const ProtobufCMessage *msg,
                      struct err *e);
void job_stall_finish(struct job *j); /* one that lasts to the end is kept as such */
/* "no step for 34 s"; false: steps end. */
bool job_stall_words(const struct job *j, char *ret, size_t len);
void job_stall_fill(const struct job *j, struct summary *s);

#endif
