/* SPDX-License-Identifier: MIT */
/* job_journal - what a job writes into the journal. A part of job; included by job_impl.h. */
#ifndef LAUNCHER_JOB_JOURNAL_H
#define LAUNCHER_JOB_JOURNAL_H

#include "launcher/variance/attribute.h"
#include "proto/wire/aolani.pb-c.h"

struct job;
struct job_replaced;
struct summary_stall;

int64_t job_journal_phase(struct job *j, const char *phase);
void job_journal_node(struct job *j, uint32_t node, const char *event,
                      const char *detail, const Aolani__NodeInfo *info);
void job_journal_progress(struct job *j);
void job_journal_replaced(struct job *j, const struct job_replaced *r);
void job_journal_rank(struct job *j, uint32_t rank, const char *event, int32_t pid);
void job_journal_steps(struct job *j, const Aolani__Steps *m);
void job_journal_source(struct job *j);
void job_journal_binding(struct job *j, const Aolani__Binding *m);
void job_journal_culprit(struct job *j, const struct culprit *c);
void job_journal_spell(struct job *j, const struct spell *s, const char *common);
void job_journal_stall(struct job *j, const struct summary_stall *s);
void job_journal_fault(struct job *j, uint32_t node, const Aolani__GpuFault *f);
void job_journal_signals(struct job *j, uint32_t node, const Aolani__NodeSignals *m);

#endif
