/* SPDX-License-Identifier: MIT */
/* sample - which processes hold memory on which GPU, and what slowed it down, as often as
 * somebody asks.
 *
 * Each line read from `in` is answered on `out` with a u32 length (little endian) and a
 * GpuSample. GPUs are named by UUID (a MIG instance by its own); one that cannot be read is
 * not in the answer. Process ids are as the driver gives them to this process: 0 for one
 * that lives in a pid namespace that it may not see into. Memory 0: not known. To the line
 * "s" the answer is without the processes of NVIDIA's, which take its driver the longest.
 *
 * Signals are of whole GPUs by their UUIDs, also of divided ones, and since the answer
 * before: the first has none. What slowed a GPU down is the driver's counters of time;
 * where it has none (-1) nothing is guessed from what holds at one moment.
 */
#ifndef AGENT_DESCRIBE_SAMPLE_H
#define AGENT_DESCRIBE_SAMPLE_H

#include "proto/base/err.h"

/* Until the end of `in`, or nobody reads `out`: 0. sysfs: "/sys", another folder in
 * tests. */
int sample_run(int in, int out, const char *sysfs, struct err *e);

#endif
