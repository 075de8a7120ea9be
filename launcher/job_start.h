/* SPDX-License-Identifier: MIT */
/* job_start - what nodes are told before ranks run: job_bind.c and job_start.c. A part of job;
 * included by job_impl.h. */
#ifndef LAUNCHER_JOB_START_H
#define LAUNCHER_JOB_START_H

#include "launcher/spec.h"
#include "proto/base/err.h"
#include "proto/wire/aolani.pb-c.h"

struct job;

/* ---- job_bind.c ---- */
struct job_bind_said; /* what the user set otherwise, for one warning at the end */
struct job_bind;      /* what the message of a node points into */
int job_bind_begin(struct job *j, struct job_bind_said **ret);
void job_bind_tell(struct job_bind_said *s); /* and free it; takes NULL */
void job_bind_common(const struct job *j, Aolani__Prepare *m);
/* m has its ranks, with their numbers. 0 or -ENOMEM. */
int job_bind_node(struct job_bind_said *s, uint32_t node, Aolani__Prepare *m,
                  struct job_bind **ret);
void job_bind_destroy(struct job_bind *b);

/* ---- job_start.c ---- */
/* "NAME=value" texts as messages, NULL: no memory. n: as many as there are texts. */
Aolani__KeyValue **job_env_messages(const struct strlist *env, struct err *e);
void job_env_free(Aolani__KeyValue **list, size_t n);
int job_make_ranks(struct job *j, struct err *e); /* once planned */
void job_send_prepare(struct job *j);
void job_send_start(struct job *j);

#endif
