/* SPDX-License-Identifier: MIT */
/* oom - was it the kernel that ended a process, for want of memory?
 *
 * Such an end looks like anybody's SIGKILL. The kernel counts them: in the control group
 * of the ranks, in ours, or, where there is neither, for the whole machine. The counter is
 * looked at once a second and at every death, so that an old case is never taken for the
 * reason of a new one.
 */
#ifndef AGENT_OOM_H
#define AGENT_OOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"
#include "proto/base/loop.h"

#define OOM_EVIDENCE_BYTES 400

struct oom;

/* The count in a text of lines "name number": memory.events, memory.oom_control and
 * /proc/vmstat are such. -ENOENT: not there. */
int oom_parse(const char *text, uint64_t *ret);

/* job_group: path of the ranks' control group; NULL: none. on_other: the kernel has ended
 * a process here that was no rank; evidence as below. */
int oom_create(struct loop *l, const char *job_group,
               void (*on_other)(void *arg, const char *evidence), void *arg,
               struct oom **ret, struct err *e);
void oom_destroy(struct oom *o);

/* A rank was ended by a SIGKILL that was not ours: was it this? evidence: for people.
 * NULL for o is a no. */
bool oom_took_rank(struct oom *o, char evidence[OOM_EVIDENCE_BYTES]);
/* A rank has failed in another way: if a process below it was ended, on_other is called
 * now, before the job is over. */
void oom_rank_failed(struct oom *o);

#endif
