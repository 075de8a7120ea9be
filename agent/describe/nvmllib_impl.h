/* SPDX-License-Identifier: MIT */
/* nvmllib_impl - what the files nvmllib*.c share: NVML's structures, and those of its
 * functions that this driver's library has. */
#ifndef AGENT_DESCRIBE_NVMLLIB_IMPL_H
#define AGENT_DESCRIBE_NVMLLIB_IMPL_H

#include "agent/describe/nvmllib.h"

struct pci_info { /* nvmlPciInfo_t of _v3; _v2 fills in less and ends before bus_id */
    char legacy_bus_id[16];
    unsigned domain, bus, device, ids, subsystem;
    char bus_id[32];
};

struct memory { /* nvmlMemory_t */
    unsigned long long total, free, used;
};

typedef int (*simple_f)(void);
typedef int (*text_f)(char *ret, unsigned size);
typedef int (*number_f)(unsigned *ret);
typedef int (*by_index_f)(unsigned index, struct nvmllib_device **ret);
typedef int (*of_text_f)(struct nvmllib_device *d, char *ret, unsigned size);
typedef int (*of_number_f)(struct nvmllib_device *d, unsigned *ret);
typedef int (*of_numbers_f)(struct nvmllib_device *d, unsigned *ret, unsigned *ret_2);
typedef int (*of_pci_f)(struct nvmllib_device *d, struct pci_info *ret);
typedef int (*of_memory_f)(struct nvmllib_device *d, struct memory *ret);
typedef int (*of_index_f)(struct nvmllib_device *d, unsigned index,
                          struct nvmllib_device **ret);
typedef int (*of_signed_f)(struct nvmllib_device *d, int *ret, int *ret_2);
typedef int (*of_link_f)(struct nvmllib_device *d, unsigned link, unsigned *ret);
typedef int (*processes_f)(struct nvmllib_device *d, unsigned *n, void *ret);

struct field_value { /* nvmlFieldValue_t; its forms of all drivers are of this size */
    unsigned id, scope;
    long long at_us, took_us;
    unsigned type;
    int code;
    union {
        double real;
        unsigned u32;
        unsigned long ulong_;
        unsigned long long u64;
        long long s64;
        int s32;
        unsigned short u16;
    } value;
};
typedef int (*fields_f)(struct nvmllib_device *d, int n, struct field_value *values);
typedef int (*of_bits_f)(struct nvmllib_device *d, unsigned long long *ret);
typedef int (*of_kind_f)(struct nvmllib_device *d, unsigned kind, unsigned *ret);

struct process_call {
    processes_f call;
    size_t stride; /* of what it fills in */
};
#define N_PROCESS_KINDS 3

struct nvmllib {
    void *so;
    bool is_ready;
    simple_f init, shutdown;
    text_f driver;
    number_f count;
    by_index_f gpu;
    of_text_f uuid, name;
    of_pci_f pci;
    of_memory_f memory;
    of_number_f numa, max_instances;
    of_numbers_f mig_mode;
    of_index_f instance;
    of_signed_f compute;
    of_link_f nvlink;
    fields_f fields;
    of_kind_f clock, max_clock, temperature;
    of_number_f power;
    of_bits_f reasons;
    struct process_call processes[N_PROCESS_KINDS];
};

#endif
