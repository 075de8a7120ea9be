/* SPDX-License-Identifier: MIT */
/* pci_impl - what pci.c puts in a row: each finds what its probes ask. */
#ifndef AGENT_AUDIT_PCI_IMPL_H
#define AGENT_AUDIT_PCI_IMPL_H

#include "agent/audit/findings.h"
#include "agent/audit/pcilist.h"

void pci_near(const struct pcilist *l, struct findings *f);     /* PC1 */
void pci_injected(const struct machine *m, struct findings *f); /* PC2 */
void pci_links(const struct machine *m, const struct pcilist *l,
               struct findings *f); /* PC3 */
void pci_iommu(const struct machine *m, const struct pcilist *l,
               struct findings *f); /* PC5 */
void pci_config(const struct machine *m, const struct pcilist *l,
                struct findings *f); /* PC4, PC6, PC8 */
void pci_functions(const struct machine *m, const struct pcilist *l,
                   struct findings *f); /* PC9 */

#endif
