/* SPDX-License-Identifier: MIT */
/* nodesignals_cgroup - how long the quotas of the control groups that ranks are in, and of
 * those above them, kept them from running. A part of nodesignals.
 *
 * Versions 1 and 2. A group whose `cpu` controller is off cannot be throttled by itself; its
 * file says nothing then, and a group above may. */
#ifndef AGENT_NODESIGNALS_CGROUP_H
#define AGENT_NODESIGNALS_CGROUP_H

#include "agent/nodesignals_file.h"
#include "agent/nodesignals_merge.h"

#define NODESIGNALS_LEVELS 64u

struct nodesignals_level {
    struct nodesignals_file file; /* its cpu.stat.local, or cpu.stat */
    struct nodesignals_counter throttled;
};
struct nodesignals_cgroup {
    struct nodesignals_level levels[NODESIGNALS_LEVELS];
    size_t n;
    bool is_free; /* no quota can be there: known, and 0 */
};

/* Of one more process. root: put before every path ("" but in tests); mountinfo, own: texts
 * of /proc/self/mountinfo and /proc/<pid>/cgroup. c begins zeroed. */
void nodesignals_cgroup_add(struct nodesignals_cgroup *c, const char *root, bool reopen,
                            const char *mountinfo, const char *own);
void nodesignals_cgroup_fini(struct nodesignals_cgroup *c);
/* Since the last call; the first begins. */
void nodesignals_cgroup_read(struct nodesignals_cgroup *c, struct nodesignals_sum *ret);

#endif
