/* SPDX-License-Identifier: MIT */
/* sample_impl - what the files sample*.c share. */
#ifndef AGENT_DESCRIBE_SAMPLE_IMPL_H
#define AGENT_DESCRIBE_SAMPLE_IMPL_H

#include <stdint.h>

#include "agent/describe/nvmllib.h"
#include "agent/describe/gpusignals.h"
#include "proto/wire/aolani.pb-c.h"

/* The use of one more GPU, then of a process on it; -ENOMEM. */
int sample_add_use(Aolani__GpuSample *s, const char *uuid,
                   Aolani__GpuSample__Use **ret);
int sample_add_process(Aolani__GpuSample__Use *u, int32_t pid, uint64_t bytes);

/* sample_kfd.c: AMD's GPUs and their processes, from a folder laid out like /sys. */
int sample_kfd(Aolani__GpuSample *s, struct gpusignals *g, const char *sysfs);

/* sample_nvml.c, sample_amdgpu.c: what one GPU counts and shows. */
void sample_nvml_signals(struct nvmllib *l, struct nvmllib_device *d,
                         struct gpusignals_reading *ret);
void sample_amdgpu_signals(const char *sysfs, const char *bus_id,
                           struct gpusignals_reading *ret);

#endif
