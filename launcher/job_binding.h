/* SPDX-License-Identifier: MIT */
/* job_binding - what the head makes of BINDING: who drifts, since when, and whom it tells.
 * A part of job. Drift of many ranks at once is one line, and there are few lines: the
 * report has all of it. */
#ifndef LAUNCHER_JOB_BINDING_H
#define LAUNCHER_JOB_BINDING_H

#include <stdbool.h>
#include <stdint.h>

#include "launcher/binding.h"
#include "launcher/driftlines.h"
#include "proto/base/err.h"

struct job;

int job_on_binding(struct job *j, uint32_t node, const ProtobufCMessage *msg,
                   struct err *e);
/* Now and then; last: whatever waits. */
void job_tell_drift(struct job *j, uint64_t now_ms, bool last);
void job_print_drift(const struct job *j); /* the answer to a Ctrl-C */
/* What was asked for the rank; kept in it. NULL: no memory. */
struct binding *job_binding_of(struct job *j, uint32_t rank);

#endif
