/* SPDX-License-Identifier: MIT */
/* job - what PMIx's server library is told about the job, once at the start. Blocks, for
 * milliseconds; on the loop's thread. */
#ifndef AGENT_PMIX_JOB_H
#define AGENT_PMIX_JOB_H

#include <pmix_server.h>

#include "proto/base/err.h"
#include "proto/wire/aolani.pb-c.h"

/* Is the setup one that we can serve? Everything else here relies on it. */
int job_check(const Aolani__PmixSetup *s, struct err *e);
/* Start the server library and make the job's ranks of this node known to it. A failure
 * after job_start has succeeded, too, needs job_stop. */
int job_start(const Aolani__PmixSetup *s, pmix_server_module_t *module, struct err *e);
int job_register(const Aolani__PmixSetup *s, struct err *e);
/* The variables of one rank; freed with job_env_destroy. */
int job_env(const Aolani__PmixSetup *s, uint32_t rank, Aolani__PmixRankEnv *ret,
            struct err *e);
void job_env_destroy(Aolani__PmixRankEnv *env);
void job_stop(void);

#endif
