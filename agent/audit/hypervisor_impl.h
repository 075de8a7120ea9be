/* SPDX-License-Identifier: MIT */
/* hypervisor_impl - what the parts of hypervisor.c share: who a hypervisor would be, by the
 * words that systemd has for it ("kvm", "amazon", "vm-other"). NULL: none was seen. */
#ifndef AGENT_AUDIT_HYPERVISOR_IMPL_H
#define AGENT_AUDIT_HYPERVISOR_IMPL_H

#include "agent/audit/findings.h"

#define KVM_STEAL_TIME 5u /* bit of eax of KVM's second leaf */

struct hypervisor_seen {
    int bit;           /* CPUID's bit of a hypervisor; -1: not known */
    bool el2;          /* an Arm kernel has the CPU to itself */
    const char *cpuid; /* by its signature */
    uint32_t kvm_base; /* of KVM's leaves; 0: it is none */
    int firmware;      /* -errno: its tables cannot be read */
    const char *dmi;
    const char *devicetree;
    bool xen, dom0; /* files of Xen are there; it is the control domain */
    bool metal;     /* a cloud's machine without a hypervisor, by its name */
};

/* Each adds its finding; the firmware's also to *s what others need. */
void hypervisor_look_firmware(const struct machine *m, struct hypervisor_seen *s,
                              struct findings *f);                       /* HV4 */
void hypervisor_look_cost(const struct machine *m, struct findings *f);  /* HV7 */
void hypervisor_look_clock(const struct machine *m, struct findings *f); /* HV8 */
void hypervisor_look_devices(const struct machine *m, const struct hypervisor_seen *s,
                             struct findings *f);                           /* HV9 */
void hypervisor_look_counters(const struct machine *m, struct findings *f); /* HV10 */
void hypervisor_look_model(const struct machine *m, struct findings *f);    /* HV11 */
void hypervisor_look_steal(const struct machine *m, const struct hypervisor_seen *s,
                           struct findings *f); /* HV12 */

#endif
