/* SPDX-License-Identifier: MIT */
/* readback_users - whose the processes on a GPU are. A part of readback. */
#ifndef AGENT_READBACK_USERS_H
#define AGENT_READBACK_USERS_H

#include "agent/readback_judge.h"

#define READBACK_USES \
    4096u /* processes on the GPUs of a node; more are not looked at */

/* Copy what was sampled; uses has room for READBACK_USES. */
size_t readback_users_take(const Aolani__GpuSample *s, struct readback_gpu_use *uses);
/* After a walk: fill in user, owner and name. same_pids: the driver counts processes as we
 * do; in a PID namespace of its own a container cannot know who is meant. */
void readback_users_tell(struct readback_gpu_use *uses, size_t n,
                         const struct readback_walk *w, const char *run_id,
                         bool same_pids);
bool readback_users_same_pids(
    void); /* this process is in the machine's own namespace */

#endif
