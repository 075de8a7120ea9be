/* SPDX-License-Identifier: MIT */
/* readback_cgroup - what the control groups that a process is in allow it. A part of
 * readback.
 *
 * Versions 1 and 2, the group itself and those above it, as far as they can be seen from
 * here; the tightest counts.
 */
#ifndef AGENT_READBACK_CGROUP_H
#define AGENT_READBACK_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#define READBACK_CGROUP_CPUS 4096 /* bytes of a set: more is cut by no real machine */

struct readback_cgroup {
    bool known;                      /* a group could be found */
    char cpus[READBACK_CGROUP_CPUS]; /* those the group may use; "": not said */
    uint32_t quota_percent;          /* of one CPU; 0: none */
    char quota_at[PATH_MAX];         /* the group that has it */
    uint64_t memory;                 /* bytes; 0: no limit */
};

/* root: put before every path ("" but in tests); mountinfo, own: texts of
 * /proc/self/mountinfo and /proc/<pid>/cgroup. */
void readback_cgroup_read(const char *root, const char *mountinfo, const char *own,
                          struct readback_cgroup *ret);

#endif
