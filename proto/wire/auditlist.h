/* SPDX-License-Identifier: MIT */
/* auditlist - the probes of the audit: their ids, what each asks, and what it counts for.
 *
 * The one list that the helper which looks, the launcher which judges, the documents and
 * the tests agree on. Ids are stable: a probe that goes leaves a gap.
 */
#ifndef PROTO_WIRE_AUDITLIST_H
#define PROTO_WIRE_AUDITLIST_H

#include <stddef.h>

/* Numbers are those of AuditFinding.verdict. */
enum audit_verdict {
    AUDIT_UNKNOWN,
    AUDIT_PASS,
    AUDIT_WARN,
    AUDIT_FAIL,
    AUDIT_VERDICTS
};

/* What a probe is about. The first four are the four questions of whoever buys machines. */
enum audit_topic {
    AUDIT_TOPOLOGY, /* is the real PCIe topology to be seen? */
    AUDIT_NUMA,     /* are NUMA nodes real, and can memory be placed? */
    AUDIT_TUNABLES, /* can kernel parameters be set? */
    AUDIT_NETWORK,  /* is the network stack one's own? */
    AUDIT_QUESTIONS,
    AUDIT_HYPERVISOR = AUDIT_QUESTIONS,
    AUDIT_CONTAINER,
    AUDIT_GPU,
    AUDIT_TIMERS,
    AUDIT_TOPICS,
};

/* How much a sign of a hypervisor weighs. */
enum audit_tier {
    AUDIT_T0, /* none: it informs, or belongs to another topic */
    AUDIT_T1, /* a fail alone says: virtualized */
    AUDIT_T2, /* two that warn or fail: suspect */
};

/* X(ID, topic, tier, title). The title continues "is it right: ...". */
#define AUDIT_PROBES(X)                                                             \
    X(HV1, HYPERVISOR, T1, "the CPU's hypervisor bit")                              \
    X(HV2, HYPERVISOR, T1, "the hypervisor's signature in CPUID")                   \
    X(HV3, HYPERVISOR, T0, "what a KVM tells its guest")                            \
    X(HV4, HYPERVISOR, T1, "vendor and product in the firmware's tables")           \
    X(HV5, HYPERVISOR, T1, "Xen's own files")                                       \
    X(HV6, HYPERVISOR, T0, "what systemd would call it")                            \
    X(HV7, HYPERVISOR, T2, "the cost of CPUID")                                     \
    X(HV8, HYPERVISOR, T2, "clock sources")                                         \
    X(HV9, HYPERVISOR, T2, "virtual devices on PCI, and a hypervisor's interrupts") \
    X(HV10, HYPERVISOR, T2, "hardware performance counters")                        \
    X(HV11, HYPERVISOR, T2, "CPU features that do not fit its model")               \
    X(HV12, HYPERVISOR, T2, "stolen time")                                          \
    X(HV13, HYPERVISOR, T1, "what the GPU's driver says of virtualization")         \
    X(CT1, CONTAINER, T0, "containers")                                             \
    X(PC1, TOPOLOGY, T0, "a NIC near each GPU")                                     \
    X(PC2, TOPOLOGY, T0, "a topology that was injected")                            \
    X(PC3, TOPOLOGY, T0, "width and speed of PCIe links")                           \
    X(PC4, TOPOLOGY, T0, "ACS between GPUs and NICs")                               \
    X(PC5, TOPOLOGY, T0, "IOMMU")                                                   \
    X(PC6, TOPOLOGY, T0, "PCIe atomic operations")                                  \
    X(PC7, TOPOLOGY, T0, "the driver's topology against the kernel's")              \
    X(PC8, TOPOLOGY, T0, "PCIe power management, payload and ordering")             \
    X(PC9, TOPOLOGY, T0, "virtual functions")                                       \
    X(NU1, NUMA, T0, "the NUMA node of each GPU and NIC")                           \
    X(NU2, NUMA, T0, "distances of NUMA nodes")                                     \
    X(NU3, NUMA, T0, "memory attributes of NUMA nodes")                             \
    X(NU4, NUMA, T0, "placing memory")                                              \
    X(NU5, NUMA, T0, "CPUs near each GPU that may be used")                         \
    X(NU6, NUMA, T0, "NUMA balancing and reclaim")                                  \
    X(NU7, NUMA, T0, "hardware threads")                                            \
    X(KP1, TUNABLES, T0, "kernel.numa_balancing")                                   \
    X(KP2, TUNABLES, T0, "transparent huge pages")                                  \
    X(KP3, TUNABLES, T0, "compaction for huge pages")                               \
    X(KP4, TUNABLES, T0, "reserved huge pages")                                     \
    X(KP5, TUNABLES, T0, "vm.swappiness")                                           \
    X(KP6, TUNABLES, T0, "vm.zone_reclaim_mode")                                    \
    X(KP7, TUNABLES, T0, "real-time scheduling")                                    \
    X(KP8, TUNABLES, T0, "CPU frequency")                                           \
    X(KP9, TUNABLES, T0, "CPU sleep states")                                        \
    X(KP10, TUNABLES, T0, "isolated CPUs")                                          \
    X(KP11, TUNABLES, T0, "where interrupts go")                                    \
    X(KP12, TUNABLES, T0, "socket buffers and ports")                               \
    X(KP13, TUNABLES, T0, "locked memory")                                          \
    X(KP14, TUNABLES, T0, "watchdog and performance counters")                      \
    X(KP15, TUNABLES, T0, "kernel modules for GPU memory")                          \
    X(NW1, NETWORK, T0, "ports of HCAs")                                            \
    X(NW2, NETWORK, T0, "RoCE addresses")                                           \
    X(NW3, NETWORK, T0, "GPUDirect RDMA")                                           \
    X(NW4, NETWORK, T0, "physical NICs and their own counters")                     \
    X(NW5, NETWORK, T0, "access to HCAs")                                           \
    X(NW6, NETWORK, T0, "subnet manager and congestion control")                    \
    X(NW7, NETWORK, T0, "setting MTU, rings and queueing")                          \
    X(NW8, NETWORK, T0, "the host's own network namespace")                         \
    X(GP1, GPU, T0, "MIG")                                                          \
    X(GP2, GPU, T0, "ECC")                                                          \
    X(GP3, GPU, T0, "persistence mode")                                             \
    X(GP4, GPU, T0, "remapped rows")                                                \
    X(GP5, GPU, T0, "reasons for slower clocks")                                    \
    X(GP6, GPU, T0, "application clocks")                                           \
    X(GP7, GPU, T0, "driver, VBIOS and InfoROM")                                    \
    X(GP8, GPU, T0, "compute mode")                                                 \
    X(GP9, GPU, T0, "NVLinks")                                                      \
    X(GP10, GPU, T0, "other processes on GPUs")                                     \
    X(TM1, TIMERS, T0, "a constant time stamp counter")                             \
    X(TM2, TIMERS, T0, "the clock source in use")                                   \
    X(TM3, TIMERS, T0, "boost and hardware threads")

#define AUDIT_ID(id, topic, tier, title) AUDIT_##id,
enum audit_probe { AUDIT_PROBES(AUDIT_ID) AUDIT_N_PROBES };
#undef AUDIT_ID

struct audit_probe_info {
    const char *id; /* "HV1" */
    enum audit_topic topic;
    enum audit_tier tier;
    const char *title;
};

const struct audit_probe_info *audit_probe_info(enum audit_probe p);
int audit_probe_find(const char *id);                 /* -1: there is none */
const char *audit_verdict_name(enum audit_verdict v); /* "pass" */
const char *audit_topic_name(enum audit_topic t);     /* "topology" */

#endif
