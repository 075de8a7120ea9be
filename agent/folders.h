/* SPDX-License-Identifier: MIT */
/* folders - the private files of one job on one node, and who owns them.
 *
 *   <base>/aolani-<uid>-<run id>-n<node>/    base: $TMPDIR or /tmp
 *       owner     the agent: "pid start-ticks control-group"; locked while it lives
 *       pids      of the ranks, see shmleft.h
 *       swept.PID left by the keeper of the agent PID, see keeper.h
 *       spool/    the ranks' output, see output.h
 *       pmix/     rendezvous files of the PMIx server
 *       tmp/      session folder of Open MPI
 *   /dev/shm/aolani-<run id>-n<node>/        step rings, shared memory of Open MPI
 *
 * All of mode 0700 and owned by us, or they are refused. Without a usable /dev/shm the
 * second is the folder shm/ in the first.
 */
#ifndef AGENT_FOLDERS_H
#define AGENT_FOLDERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/base/err.h"

struct folders {
    char *base, *spool, *pmix, *tmp, *shm; /* owned */
    char *owner, *pids;                    /* paths of these files */
    int owner_fd;                          /* -1: none; holds the lock */
};

/* Who made the folders. */
struct folders_owner {
    pid_t pid;
    uint64_t start;    /* as in proc_stat; no process of the job is older */
    bool alive;        /* it still holds the lock */
    char cgroup[4096]; /* "" when it had none */
};

/* The paths alone; nothing is made. fini takes a zeroed one and leaves the files. */
int folders_init(struct folders *f, const char *run_id, uint32_t node, struct err *e);
void folders_fini(struct folders *f);
/* Make them. What a dead agent left there is removed first; -EBUSY: its agent lives. */
int folders_make(struct folders *f, struct err *e);
int folders_set_cgroup(struct folders *f, const char *cgroup);
/* -ENOENT: nothing was left behind. */
int folders_read_owner(const struct folders *f, struct folders_owner *ret,
                       struct err *e);
/* After the death of the owner: become it. */
int folders_take_over(struct folders *f, struct err *e);
/* Below base: an agent's keeper has ended every process that this one left (keeper.h). To
 * be freed; NULL: no memory. */
char *folders_swept_path(const struct folders *f, pid_t agent);
/* Remove everything. 0, or the first failure with the path in e. */
int folders_remove(struct folders *f, struct err *e);

/* Remove a tree of ours; symbolic links are removed, never followed. 0 if not there. */
int folders_remove_tree(const char *path, struct err *e);
/* Make one folder of mode 0700; one that is there already must be ours alone. */
int folders_make_private(const char *path, struct err *e);

#endif
