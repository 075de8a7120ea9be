/* SPDX-License-Identifier: MIT */
/* rankbase - what all ranks of a node find around themselves, once it is known: the
 * environment theirs are built on, working directory, umask, resource limits. */
#ifndef AGENT_RANKBASE_H
#define AGENT_RANKBASE_H

#include <sys/types.h>

#include "agent/envlist.h"
#include "agent/folders.h"
#include "agent/host.h"
#include "agent/program.h"
#include "agent/setup.h"
#include "proto/base/rlimits.h"

#define RANKBASE_OOM_SCORE 500 /* the kernel shall take a rank before the agent */

struct rankbase {
    struct envlist env;
    bool after_setup; /* env was made by the setup text */
    char *workdir;    /* owned */
    mode_t umask;
    struct rlimits limits;
};

/* As the plan has it, before any setup text. *b zeroed before. */
int rankbase_init(struct rankbase *b, const Aolani__Prepare *plan,
                  const struct host *host, struct err *e);
void rankbase_fini(struct rankbase *b);
/* What the text has left: taken out of *r. */
void rankbase_take(struct rankbase *b, struct setup_result *r);
/* Find the program as the ranks would, and see that Linux takes their environment. The
 * code is one that the head gives on to the user. */
int rankbase_find_program(const struct rankbase *b, const Aolani__Prepare *plan,
                          const struct host *host, const struct folders *folders,
                          struct program *ret, struct err *e);
/* The environment of the setup text; for environ_free. */
int rankbase_setup_env(const struct rankbase *b, const Aolani__Prepare *plan,
                       const struct host *host, uint32_t attempt, char ***ret,
                       struct err *e);

#endif
