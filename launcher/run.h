/* SPDX-License-Identifier: MIT */
/* run - one run of a job: what outlives an attempt (its directory, key, journal and words
 * on the terminal), and the attempts, one job each.
 *
 * After most ends there is no further attempt. One that failed because another program had
 * MASTER_PORT before rank 0 is begun again with another port, up to 3 times, as if it had
 * never been: nothing had been computed, and nobody's restarts are spent.
 */
#ifndef LAUNCHER_RUN_H
#define LAUNCHER_RUN_H

#include "launcher/spec.h"
#include "proto/base/err.h"
#include "proto/base/rlimits.h"

/* A descriptor for each agent's connection and for each starter's three streams. Not with
 * local nodes, whose ranks would inherit the limit. *ret_found: what the user has. */
void run_raise_limits(enum spec_backend backend, struct rlimits *ret_found);

struct run;
/* Make the run directory and begin the journal. Takes the spec, also on failure. */
int run_create(struct spec *s, struct run **ret, struct err *e);
/* The attempts, until the last has ended. */
int run_attempts(struct run *r, struct err *e);
/* After them: run.json, run.db, the report on the terminal. Returns the exit status. */
int run_conclude(struct run *r);
void run_destroy(struct run *r);

#endif
