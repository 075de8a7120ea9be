/* SPDX-License-Identifier: MIT */
/* pci_config - what the configuration space of GPUs, NICs and the bridges above them says,
 * for who may read it, and the probes that ask it. */
#ifndef AGENT_AUDIT_PCI_CONFIG_H
#define AGENT_AUDIT_PCI_CONFIG_H

#include "agent/audit/findings.h"
#include "agent/audit/pcicaps.h"
#include "agent/audit/pcilist.h"
#include "agent/audit/pcinote.h"

#define PCI_CONFIG_SOURCE "/sys/bus/pci/devices/*/config"

enum pci_between {
    PCI_BETWEEN_NONE,
    PCI_BETWEEN_ROOTS,  /* on its way over the CPU, where it goes in any case */
    PCI_BETWEEN_SWITCH, /* below a switch of both, where it need not leave that */
};

struct pci_config {
    const struct machine *m;
    const struct pcilist *l;
    struct pcicaps *caps;      /* by index; zeroed where not wanted */
    bool *wanted;              /* a GPU, a NIC, or above one */
    enum pci_between *between; /* bridges that what goes between GPUs and NICs passes */
    bool denied;               /* of one all, or all but its header, was withheld */
};

/* "unknown", for want of what these devices did not show. */
void pci_config_unread(const struct pci_config *x, struct findings *f,
                       enum audit_probe id, struct pcinote *unread);

void pci_acs(const struct pci_config *x, struct findings *f);     /* PC4 */
void pci_atomics(const struct pci_config *x, struct findings *f); /* PC6 */
void pci_manners(const struct pci_config *x, struct findings *f); /* PC8 */

#endif
