/* SPDX-License-Identifier: MIT */
/* limitwatch - looks after the limits of a run (limit.h) while its head lives: a timer, and
 * inside a job of Slurm's the end of the allocation, asked for again and again because
 * it may be moved. */
#ifndef LAUNCHER_LIMITWATCH_H
#define LAUNCHER_LIMITWATCH_H

#include "launcher/limit.h"
#include "launcher/spec.h"
#include "proto/base/loop.h"

struct limitwatch_ops { /* never from within a call; what: "the time limit" */
    void (*save)(void *arg, int signum, const char *what);
    void (*stop)(void *arg, uint64_t grace_ms, const char *what);
};

struct limitwatch;
/* spec: by reference. continued: as in struct limit. job: Slurm's, in which this process
 * runs; 0: none. */
int limitwatch_create(struct loop *l, const struct spec *spec, uint32_t job,
                      bool continued, const struct limitwatch_ops *ops, void *arg,
                      struct limitwatch **ret, struct err *e);
void limitwatch_destroy(struct limitwatch *w);
/* Ranks begin to run; [job] time_limit counts from the first time. */
void limitwatch_begin(struct limitwatch *w);
/* After a TERM of Slurm's, all that is left for the ranks; never more than [failure]
 * grace. */
uint64_t limitwatch_grace(const struct limitwatch *w);
/* Slurm's limit is over, or nearly: a TERM of Slurm's is because of it. */
bool limitwatch_is_slurms(const struct limitwatch *w);
/* Milliseconds until the allocation ends; LIMIT_NEVER: no limit, or not known. */
uint64_t limitwatch_left(const struct limitwatch *w);

#endif
