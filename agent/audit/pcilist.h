/* SPDX-License-Identifier: MIT */
/* pcilist - the GPUs and NICs of a machine on PCI, and the bridges above each: what the
 * kernel shows to anyone in /sys. */
#ifndef AGENT_AUDIT_PCILIST_H
#define AGENT_AUDIT_PCILIST_H

#include "agent/audit/machine.h"

#define PCILIST_NAME  16u /* "10000:18:00.0" */
#define PCILIST_DEPTH 16u /* bridges above a device; real machines have ten */

enum pcilist_kind { PCILIST_OTHER, PCILIST_BRIDGE, PCILIST_GPU, PCILIST_NIC };

struct pcilist_device {
    char name[PCILIST_NAME];
    char host[PCILIST_NAME]; /* "pci0000:00"; "": where it sits is not shown */
    enum pcilist_kind kind;
    uint32_t class_id, vendor, device; /* class_id as 0x030200 */
    bool is_vf;                        /* by the kernel's own word: it has a physfn */
    size_t above[PCILIST_DEPTH]; /* indices of bridges, that of the root bus first */
    unsigned depth;
};

struct pcilist {
    struct pcilist_device *d; /* bridges, GPUs and NICs, sorted by name */
    size_t n, gpus, nics; /* nics: without virtual functions of this machine's own */
    bool flat;            /* no bridge at all, and all is known to be on a root bus */
    bool guest;           /* a hypervisor says that it is one */
    int error;            /* of reading the list: -ENOENT: no PCI here */
};

/* A list with error where nothing can be read; -ENOMEM alone fails. */
int pcilist_read(const struct machine *m, struct pcilist *ret);
void pcilist_fini(struct pcilist *l);

bool pcilist_is_guest(const struct machine *m);
/* A GPU, or a NIC that is no virtual function of a card of this machine. */
bool pcilist_matters(const struct pcilist_device *d);
/* How many bridges two devices have in common; -1: not even the host bridge. */
int pcilist_common(const struct pcilist_device *a, const struct pcilist_device *b);
/* "/sys/bus/pci/devices/NAME/ATTR"; ret: MACHINE_PATH. */
const char *pcilist_path(const struct pcilist_device *d, const char *attr, char *ret);
/* "8 gpus, 10 nics". */
const char *pcilist_count(const struct pcilist *l, char ret[64]);

#endif
