/* SPDX-License-Identifier: MIT */
/* cgroup - a control group (version 2) of a job on this node, where one may be made.
 *
 * Below the group the agent itself is in, so that whoever limits the agent limits the
 * ranks too. No controllers are turned on: it is there to hold every process of the job,
 * those that a rank started included, and to kill them at one stroke.
 */
#ifndef AGENT_CGROUP_H
#define AGENT_CGROUP_H

#include <sys/types.h>

#include "proto/base/buf.h"
#include "proto/base/err.h"

struct cgroup;

/* Where this process's group is to be found, from the texts of /proc/self/mountinfo and
 * /proc/self/cgroup. controller: the group of version 1 that has it; NULL: the one of
 * version 2. -ENOENT: there is none here. */
int cgroup_locate(const char *mountinfo, const char *own, const char *controller,
                  struct buf *ret);
int cgroup_own(const char *controller, struct buf *ret); /* of this process */

/* Make the group `name` below our own. -ENOENT, -EACCES, -EROFS: not here; a normal case. */
int cgroup_create(const char *name, struct cgroup **ret, struct err *e);
/* Take up one that another agent made. -ENOENT: it is gone. */
int cgroup_adopt(const char *path, struct cgroup **ret, struct err *e);
void cgroup_destroy(struct cgroup *g); /* the group itself stays */

const char *cgroup_path(const struct cgroup *g);
/* A descriptor (owned by g): who writes "0" into it moves himself there. */
int cgroup_entrance(const struct cgroup *g);
int cgroup_is_empty(const struct cgroup *g); /* 1, 0, or -errno */
/* Those directly in it; not those in groups that the ranks made below. */
void cgroup_each(const struct cgroup *g, void (*each)(void *arg, pid_t pid), void *arg);
int cgroup_kill(const struct cgroup *g);   /* SIGKILL to all in it */
int cgroup_remove(const struct cgroup *g); /* 0, also when it was gone */

#endif
