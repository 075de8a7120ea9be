/* SPDX-License-Identifier: MIT */
/* gpusignals - from what GPUs count since they were started to what they did since the last
 * sample. A counter that has fallen (the driver was loaded anew) says nothing of that
 * interval; what was not there before, or is not there now, neither: -1, never 0. */
#ifndef AGENT_DESCRIBE_GPUSIGNALS_H
#define AGENT_DESCRIBE_GPUSIGNALS_H

#include <stdint.h>

#include "proto/base/limits.h"
#include "proto/wire/aolani.pb-c.h"

enum gpusignals_counter { /* nanoseconds: slowed down because of */
                          GPUSIGNALS_POWER,
                          GPUSIGNALS_HEAT,      /* by the driver */
                          GPUSIGNALS_HEAT_HARD, /* by the GPU itself */
                          GPUSIGNALS_BRAKE,
                          GPUSIGNALS_SYNC, /* with the other GPUs of a group */
                          GPUSIGNALS_BOARD,
                          GPUSIGNALS_RELIABILITY,
                          /* events */
                          GPUSIGNALS_PCIE,
                          GPUSIGNALS_NVLINK,
                          GPUSIGNALS_ECC,
                          GPUSIGNALS_ECC_CORRECTED,
                          GPUSIGNALS_ROWS,   /* of memory, remapped */
                          GPUSIGNALS_ENERGY, /* millijoules */
                          GPUSIGNALS_COUNTERS
};
struct gpusignals_reading {
    uint32_t known; /* a bit a counter */
    uint32_t parts; /* what they were added up from; another sum is another counter */
    uint64_t count[GPUSIGNALS_COUNTERS];
    /* -1: not known */
    int32_t sm_mhz, mem_mhz, sm_max_mhz, celsius, mem_celsius, milliwatts;
    int64_t reasons; /* NVML's bits of what holds the clocks now */
};
struct gpusignals_gpu {
    char uuid[96];
    uint64_t round;
    uint32_t known, parts;
    uint64_t count[GPUSIGNALS_COUNTERS];
};
struct gpusignals {
    uint64_t round, at_ns, interval_ns;
    size_t n;
    struct gpusignals_gpu gpu[LIMIT_GPUS];
};

static inline void gpusignals_reading_init(struct gpusignals_reading *r)
{
    *r = (struct gpusignals_reading){.sm_mhz = -1,
                                     .mem_mhz = -1,
                                     .sm_max_mhz = -1,
                                     .celsius = -1,
                                     .mem_celsius = -1,
                                     .milliwatts = -1,
                                     .reasons = -1};
}
static inline void gpusignals_count(struct gpusignals_reading *r,
                                    enum gpusignals_counter c, uint64_t count)
{
    r->count[c] += count;
    r->known |= 1u << c;
}

/* A sample begins. now_ns: monotonic. */
void gpusignals_begin(struct gpusignals *g, uint64_t now_ns, Aolani__GpuSample *s);
/* Of one GPU; it is told in s if the sample before had it too. -ENOMEM. */
int gpusignals_add(struct gpusignals *g, Aolani__GpuSample *s, const char *uuid,
                   const struct gpusignals_reading *r);

#endif
