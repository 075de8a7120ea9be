/* SPDX-License-Identifier: MIT */
/* setup - the text that a job runs once on each node before its ranks ("module load mpi").
 *
 * It is for a login shell: only its start-up files define what clusters give their users,
 * and a node reached by ssh has read none. Those files change what they like, so what the
 * head has forwarded, what the job file sets, the umask and the working directory are put
 * back after them and before the text, which may build on all of it. What the text leaves
 * is what the ranks get: environment, umask, limits, and the folder it stands in.
 *
 * A child of the agent in a session of its own, with the mark of the job: what it leaves in
 * the background runs as long as the job does. Its words are given on line by line.
 */
#ifndef AGENT_SETUP_H
#define AGENT_SETUP_H

#include <stdbool.h>
#include <sys/types.h>

#include "agent/envlist.h"
#include "proto/base/err.h"
#include "proto/base/loop.h"
#include "proto/base/rlimits.h"

struct setup;
struct setup_result {
    struct envlist env; /* for envlist_fini */
    char *workdir;      /* owned */
    mode_t umask;
    struct rlimits limits; /* as "ulimit" has left them; those that are known */
};
struct setup_config { /* by reference; must outlive the setup */
    struct loop *loop;
    const Aolani__Prepare *plan; /* setup, forwarded, env, workdir, umask, setup_ms */
    char *const *env;            /* of the shell; needed by setup_create alone */
    const char *folder;          /* private to us: two files are made there */
    int cgroup_entrance;         /* -1: none */
    int oom_score_adj;
    const struct rlimits *limits; /* to begin with */
};
struct setup_ops {
    void (*line)(void *arg, const char *text); /* something that it printed */
    /* It has ended well (e NULL; what is in *r may be taken away), or not. Once. */
    void (*done)(void *arg, struct setup_result *r, const struct err *e);
};

int setup_create(const struct setup_config *c, const struct setup_ops *ops, void *arg,
                 struct setup **ret, struct err *e);
/* Ends the shell if it still runs, and its process group. Keep a setup that is done until
 * the job ends: what still runs of it may be writing. */
void setup_destroy(struct setup *s);
pid_t setup_pid(const struct setup *s);
/* From who waits for processes; false: it was another. */
bool setup_exited(struct setup *s, pid_t pid, int wait_status);
void setup_result_fini(struct setup_result *r);

#endif
