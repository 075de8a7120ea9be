/* SPDX-License-Identifier: MIT */
/* job_coll - steps that are known by NCCL's collectives: a part of the job, for its other
 * parts. See job_coll.c. */
#ifndef LAUNCHER_JOB_COLL_H
#define LAUNCHER_JOB_COLL_H

#include "launcher/job_impl.h"

int job_coll_create(struct job *j); /* before the first record. -ENOMEM */
void job_coll_destroy(struct job_coll *c);
/* A step of NCCL, which may be held until it is known what its ranks waited. */
void job_coll_record(struct job *j, const struct steprec *r, uint64_t now_ms);
/* Those that are held no more go into the journal. */
void job_coll_journal(struct job *j);
int job_on_coll_anchors(struct job *j, uint32_t node, const ProtobufCMessage *msg,
                        struct err *e);
int job_on_coll_times(struct job *j, uint32_t node, const ProtobufCMessage *msg,
                      struct err *e);
void job_coll_said(struct job *j); /* of which source steps are, as it is now */
void job_coll_tick(struct job *j, uint64_t now_ms);
/* Some rank's NCCL has loaded our profiler. */
bool job_coll_has_nccl(const struct job *j);
void job_coll_finish(struct job *j); /* nothing is held any longer */

#endif
