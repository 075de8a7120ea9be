/* SPDX-License-Identifier: MIT */
/* run - one run of a job: what outlives an attempt (its directory, key, journal and words
 * on the terminal), and the attempts, one job each.
 *
 * A run may have several heads, one after the other: one that died, or whose allocation
 * ended, leaves it to the next (run_resume). Which attempt follows another, and on which
 * nodes, is decided in restart.h; when the time is over, in limit.h.
 */
#ifndef LAUNCHER_RUN_H
#define LAUNCHER_RUN_H

#include <stdbool.h>

#include "launcher/spec.h"
#include "proto/base/err.h"
#include "proto/base/rlimits.h"

/* A descriptor for each agent's connection and for each starter's three streams. Not with
 * local nodes, whose ranks would inherit the limit. *ret_found: what the user has. */
void run_raise_limits(enum spec_backend backend, struct rlimits *ret_found);

struct run;
/* Make the run directory and begin the journal. Takes the spec, also on failure. > 0: the
 * signal by which the user ended the wait for nodes, which was said; ret is untouched. */
int run_create(struct spec *s, struct run **ret, struct err *e);
/* Become the head of the run in this directory, whose attempts go on. 1: it has ended for
 * good, which was said; *ret_status is its exit status, and ret untouched. force: a former
 * head that cannot be seen from here is taken for dead, and a run that ended otherwise than
 * with success goes on. label: -l, which is no key of the job file. -EBUSY: it has a head. */
int run_resume(const char *dir, bool force, bool label, struct run **ret,
               int *ret_status, struct err *e);
/* The attempts, until the last has ended. */
int run_attempts(struct run *r, struct err *e);
/* After them: run.json, run.db, the report on the terminal. Returns the exit status. */
int run_conclude(struct run *r);
void run_destroy(struct run *r);

#endif
