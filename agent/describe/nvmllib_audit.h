/* SPDX-License-Identifier: MIT */
/* nvmllib_audit - what NVML says of how a GPU is set up and how it fares.
 *
 * Signatures and numbers are those of nvml.h as NVIDIA publishes it with DCGM
 * (sdk/nvidia/nvml: nvml.h, nvml_entry_points.h, dcgm_nvml.h), of drivers 418 to 580.
 */
#ifndef AGENT_DESCRIBE_NVMLLIB_AUDIT_H
#define AGENT_DESCRIBE_NVMLLIB_AUDIT_H

#include "agent/describe/nvmllib.h"

/* X(STATE, name) */
#define NVMLLIB_STATES_LIST(X)                                         \
    X(VIRTUALIZATION, "virtualization") /* enum nvmllib_virtual */     \
    X(MIG, "mig")                       /* 1: on */                    \
    X(MIG_PENDING, "mig-pending")       /* after the next reset */     \
    X(ECC, "ecc")                                                      \
    X(ECC_PENDING, "ecc-pending")                                      \
    X(PERSISTENCE, "persistence")                                      \
    X(ROWS_CORRECTED, "rows-corrected") /* remapped for such errors */ \
    X(ROWS_UNCORRECTED, "rows-uncorrected")                            \
    X(ROWS_PENDING, "rows-pending")                                    \
    X(ROWS_FAILED, "rows-failed")                                      \
    X(PAGES_PENDING, "pages-pending") /* before there was remapping */ \
    X(REASONS, "reasons")             /* NVMLLIB_SLOWED_... */         \
    X(CLOCK, "clock")                 /* for applications, MHz */      \
    X(CLOCK_DEFAULT, "clock-default")                                  \
    X(CLOCK_MAX, "clock-max")                                          \
    X(COMPUTE_MODE, "compute-mode") /* enum nvmllib_compute_mode */    \
    X(GSP, "gsp")                   /* its firmware runs */            \
    X(LINKS, "links")               /* NVLinks that there are */       \
    X(LINKS_ACTIVE, "links-active")                                    \
    X(FABRIC, "fabric")               /* enum nvmllib_fabric */        \
    X(FABRIC_STATUS, "fabric-status") /* of what is completed */       \
    X(MEMORY_MB, "memory-mb")                                          \
    X(MEMORY_USED_MB, "memory-used-mb")

#define NVMLLIB_STATE_ID(id, name) NVMLLIB_##id,
enum nvmllib_state { NVMLLIB_STATES_LIST(NVMLLIB_STATE_ID) NVMLLIB_STATES };
#undef NVMLLIB_STATE_ID

enum nvmllib_virtual { /* nvmlGpuVirtualizationMode_t */
                       NVMLLIB_BARE,
                       NVMLLIB_PASSTHROUGH,
                       NVMLLIB_VGPU,
                       NVMLLIB_HOST_VGPU,
                       NVMLLIB_HOST_VSGA,
};
enum nvmllib_compute_mode { /* nvmlComputeMode_t */
                            NVMLLIB_SHARED,
                            NVMLLIB_EXCLUSIVE_THREAD,
                            NVMLLIB_PROHIBITED,
                            NVMLLIB_EXCLUSIVE_PROCESS,
};
enum nvmllib_fabric { /* nvmlGpuFabricState_t */
                      NVMLLIB_FABRIC_NONE,
                      NVMLLIB_FABRIC_NOT_STARTED,
                      NVMLLIB_FABRIC_IN_PROGRESS,
                      NVMLLIB_FABRIC_COMPLETED,
};

/* nvmlClocksEventReasons (nvmlClocksThrottleReasons before driver 535) */
#define NVMLLIB_SLOWED_IDLE     0x001u
#define NVMLLIB_SLOWED_SETTING  0x002u /* by the clocks set for applications */
#define NVMLLIB_SLOWED_POWER    0x004u /* its power limit: common under load */
#define NVMLLIB_SLOWED_HW       0x008u /* one of the two below, or fast triggers */
#define NVMLLIB_SLOWED_SYNC     0x010u
#define NVMLLIB_SLOWED_SW_HEAT  0x020u
#define NVMLLIB_SLOWED_HW_HEAT  0x040u
#define NVMLLIB_SLOWED_HW_BRAKE 0x080u /* by the power supply */
#define NVMLLIB_SLOWED_DISPLAY  0x100u

const char *nvmllib_state_name(enum nvmllib_state s); /* "mig" */

/* Each of them; -1: this GPU or this driver does not say. */
void nvmllib_states(struct nvmllib *l, struct nvmllib_device *d,
                    int64_t ret[NVMLLIB_STATES]);

/* These return an nvmllib_code, or another of NVML's. */
int nvmllib_vbios(struct nvmllib *l, struct nvmllib_device *d, nvmllib_text ret);
int nvmllib_inforom(struct nvmllib *l, struct nvmllib_device *d, nvmllib_text ret);
/* How far they are from one another, nvmlGpuTopologyLevel_t: on one board 0, over one
 * switch 10, several 20, a host bridge 30, a NUMA node 40, between nodes 50. */
int nvmllib_common_ancestor(struct nvmllib *l, struct nvmllib_device *a,
                            struct nvmllib_device *b, unsigned *ret);

#endif
