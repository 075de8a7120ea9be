/* SPDX-License-Identifier: MIT */
/* ncclseen - what the memory map of a process says of its NCCL, for ranks whose NCCL has
 * loaded no profiler: it may be too old for one, or the program may not use it.
 *
 * A communicator has shared memory, which NCCL names /dev/shm/nccl-*: a library that is
 * loaded and never used has none. Its version is known where the library's name tells it. */
#ifndef AGENT_NCCLSEEN_H
#define AGENT_NCCLSEEN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define NCCLSEEN_BYTES (4u << 20) /* read of a map: 40000 areas */

struct ncclseen {
    bool is_used;
    uint32_t version; /* 22005 is 2.20.5; 0: not known */
};

/* A line of /proc/PID/maps. */
void ncclseen_line(struct ncclseen *s, const char *line);
/* -errno: it is gone, or not ours to see, or one of its threads waits in the kernel, perhaps
 * with the lock that the map needs. */
int ncclseen_look(pid_t pid, struct ncclseen *ret);

#endif
