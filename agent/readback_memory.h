/* SPDX-License-Identifier: MIT */
/* readback_memory - on which NUMA nodes the pages of a process lie. A part of readback.
 *
 * A sample: addresses spread over what the process may write to and shares with nobody,
 * asked for with move_pages(2), which only looks when it is given no nodes. Never
 * numa_maps or smaps: the kernel walks every page table for these with the lock of the
 * address space held, and a rank with 100 GB then stands still for as long.
 *
 * To be called for no process with a thread that waits in the kernel: that one may hold the
 * lock (a file system or a driver that hangs), and whoever asks for pages, the map or the
 * environment then waits as long as it does, move_pages without a way to be killed.
 */
#ifndef AGENT_READBACK_MEMORY_H
#define AGENT_READBACK_MEMORY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/base/limits.h"
#include "proto/base/rankset.h"

#define READBACK_SAMPLE     512u       /* addresses: 4 percentage points of error */
#define READBACK_LEAST      64u        /* of them present, or nothing is said */
#define READBACK_FAR        10u        /* percent on other nodes that are drift */
#define READBACK_MAPS_BYTES (1u << 20) /* read of a map: 10000 areas */

struct readback_share {
    uint32_t numa, pages;
};

struct readback_pages {
    struct readback_share shares[16]; /* the first that were met */
    size_t n;
    uint32_t present; /* of READBACK_SAMPLE */
};

/* seed: another one gives other addresses. -EPERM and the like: it may not be looked at. */
int readback_pages_sample(pid_t pid, uint64_t seed, struct readback_pages *ret);
/* Percent of the pages outside `asked`. `counted`: the nodes that have CPUs: memory of a
 * GPU, or a slower kind to which the kernel moves what is cold, is on no side. *ret_node:
 * the node with the most. */
unsigned readback_pages_far(const struct readback_pages *p, const struct rankset *asked,
                            const struct rankset *counted, uint32_t *ret_node);

#endif
