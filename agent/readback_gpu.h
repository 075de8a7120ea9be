/* SPDX-License-Identifier: MIT */
/* readback_gpu - who has memory on which GPU: aolani-describe --gpus, asked now and then.
 * A part of readback.
 *
 * The helper stays, since NVML takes seconds to open. A driver that hangs keeps it waiting,
 * never us: an answer that does not come in time is none, and nothing more is asked until
 * the late one has come. One that ends is started again, a few times.
 */
#ifndef AGENT_READBACK_GPU_H
#define AGENT_READBACK_GPU_H

#include "proto/base/err.h"
#include "proto/base/loop.h"
#include "proto/wire/aolani.pb-c.h"

#define READBACK_GPU_MS     10000u     /* for an answer */
#define READBACK_GPU_BYTES  (1u << 20) /* of an answer: 10000 processes */
#define READBACK_GPU_STARTS 3u

struct readback_gpu;
/* s NULL: why there is no answer. Valid for the time of the call. */
typedef void (*readback_gpu_f)(void *arg, const Aolani__GpuSample *s, const char *why);

/* helper: path of aolani-describe, kept by reference; NULL: there is none. */
int readback_gpu_create(struct loop *l, const char *helper, unsigned limit_ms,
                        readback_gpu_f done, void *arg, struct readback_gpu **ret,
                        struct err *e);
void readback_gpu_destroy(struct readback_gpu *g); /* ends the helper */
/* done comes once for each, never from within. Not while one is under way. */
void readback_gpu_ask(struct readback_gpu *g);

#endif
