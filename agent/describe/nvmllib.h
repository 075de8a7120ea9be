/* SPDX-License-Identifier: MIT */
/* nvmllib - NVIDIA's management library (NVML), as far as we use it.
 *
 * It belongs to the driver and is looked for when the program runs; its header is not
 * needed, since its functions and structures never change: a new form gets a new name
 * (_v2, _v3). A function that this driver's library has not got behaves as one that
 * answers NVMLLIB_NO_FUNCTION. One thread.
 */
#ifndef AGENT_DESCRIBE_NVMLLIB_H
#define AGENT_DESCRIBE_NVMLLIB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"

enum nvmllib_code { /* those that we tell apart */
                    NVMLLIB_OK = 0,
                    NVMLLIB_NOT_SUPPORTED = 3,
                    NVMLLIB_NO_PERMISSION = 4,
                    NVMLLIB_NOT_FOUND = 6,
                    NVMLLIB_TOO_SMALL = 7,
                    NVMLLIB_NO_DRIVER = 9,
                    NVMLLIB_TIMEOUT = 10,
                    NVMLLIB_NO_FUNCTION = 13,
                    NVMLLIB_LOST = 15,
                    NVMLLIB_RESET_REQUIRED = 16,
                    NVMLLIB_BLOCKED = 17, /* by the operating system or a cgroup */
                    NVMLLIB_MISMATCH = 18,
};

#define NVMLLIB_TEXT 96 /* NVML's own largest: of names and UUIDs */
typedef char nvmllib_text[NVMLLIB_TEXT];
struct nvmllib;
struct nvmllib_device; /* NVML's own: a GPU, or a MIG instance */

/* Loads and initialises it. -ENOENT: there is no such library; else another code. Text and
 * hint are for people. */
int nvmllib_open(struct nvmllib **ret, struct err *e);
void nvmllib_close(struct nvmllib *l); /* takes NULL */

/* These return an nvmllib_code, or another of NVML's. */
int nvmllib_driver(struct nvmllib *l, nvmllib_text ret); /* "570.86.15" */
int nvmllib_count(struct nvmllib *l, unsigned *ret);
int nvmllib_gpu(struct nvmllib *l, unsigned index, struct nvmllib_device **ret);
int nvmllib_uuid(struct nvmllib *l, struct nvmllib_device *d, nvmllib_text ret);
int nvmllib_name(struct nvmllib *l, struct nvmllib_device *d, nvmllib_text ret);
int nvmllib_bus_id(struct nvmllib *l, struct nvmllib_device *d, nvmllib_text ret);
int nvmllib_memory(struct nvmllib *l, struct nvmllib_device *d, uint64_t *ret_bytes);
int nvmllib_numa(struct nvmllib *l, struct nvmllib_device *d, unsigned *ret);
/* CUDA's compute capability: 90 is 9.0. Untouched where it is not known. */
void nvmllib_compute(struct nvmllib *l, struct nvmllib_device *d, uint32_t *ret);
unsigned nvmllib_nvlinks(struct nvmllib *l, struct nvmllib_device *d); /* active ones */
/* Is it divided now? *ret_max: into how many at most, 0 where it is not. */
int nvmllib_mig(struct nvmllib *l, struct nvmllib_device *d, unsigned *ret_max);
/* NVMLLIB_NOT_FOUND: no instance has that index; others may. */
int nvmllib_instance(struct nvmllib *l, struct nvmllib_device *d, unsigned index,
                     struct nvmllib_device **ret);

struct nvmllib_process {
    uint32_t pid;   /* 0: NVML does not say */
    uint64_t bytes; /* 0: NVML does not say */
};
/* Compute, graphics and MPS clients, each process once. *ret: free it. */
int nvmllib_processes(struct nvmllib *l, struct nvmllib_device *d,
                      struct nvmllib_process **ret, size_t *ret_n);

/* A number of NVML's list of fields (NVML_FI_...), which is longer with each driver. */
struct nvmllib_field {
    uint32_t id, scope;
    bool is_known; /* this GPU and driver have it */
    bool is_wide;  /* it is of 64 bits, as all counters of time are */
    uint64_t value;
};
#define NVMLLIB_FIELDS 32u /* in one question, at most */
/* All of them at once. */
int nvmllib_fields(struct nvmllib *l, struct nvmllib_device *d, struct nvmllib_field *f,
                   size_t n);
/* What the GPU does now; -1: it does not say. */
struct nvmllib_gauges {
    int32_t sm_mhz, mem_mhz, sm_max_mhz, celsius, milliwatts;
    int64_t reasons; /* why its clocks are what they are: nvmlClocksEventReasons */
};
void nvmllib_gauges(struct nvmllib *l, struct nvmllib_device *d,
                    struct nvmllib_gauges *ret);

/* Why, in our words: "it has fallen off the bus". */
const char *nvmllib_why(int code);
/* A code that says that the GPU cannot be used at all. */
bool nvmllib_is_unusable(int code);

#endif
