/* SPDX-License-Identifier: MIT */
/* rankproc - reads from /proc what rankhost wants to know of a rank, which is not touched.
 *
 * Which process: the one that the agent started is often a shell, a launcher in Python or a
 * container's runtime, and the trainer may have children of its own that load data. So of
 * the tree below it (as far as /proc/PID/task/PID/children tells) the topmost process is
 * taken that of late used an eighth as much CPU time as the busiest. What a runtime starts
 * outside of that tree is not seen, and of the rank nothing is known then.
 *
 * Which threads: a trainer has some hundred, most of them asleep. Its first thread is
 * followed, and those that used most CPU time of late. Both are looked for now and then;
 * how often depends on what it takes.
 *
 * Files may vanish, be unreadable (another user's, hidepid) or hold anything: then there is
 * no reading. A number that was given to another process is noticed by its start. */
#ifndef AGENT_RANKPROC_H
#define AGENT_RANKPROC_H

#include <sys/types.h>

#include "agent/nodesignals_cgroup.h"
#include "agent/rankhost.h"

#define RANKPROC_LOOK_NS 4000000000u /* between two looks at process and threads */
#define RANKPROC_LOOK_PART \
    16000u /* and at least so many times what the last one took */
#define RANKPROC_SOON_NS 500000000u /* while none of them works */
#define RANKPROC_TREE    64u        /* processes of a rank */
#define RANKPROC_TASKS   1024u      /* threads that are looked at */

struct rankproc_config {
    const char *root; /* "" but in tests: before /proc and /sys; outlives it */
    pid_t pid;        /* that the agent started */
    bool
        reopen; /* no descriptors are kept: there are very many ranks, or it is a test */
};
struct rankproc;

int rankproc_create(const struct rankproc_config *c,
                    struct rankproc **ret); /* -ENOMEM */
void rankproc_destroy(struct rankproc *p);
/* False: nothing is known now. now_ns: CLOCK_MONOTONIC. */
bool rankproc_read(struct rankproc *p, uint64_t now_ns, struct rankhost_reading *ret);

#endif
