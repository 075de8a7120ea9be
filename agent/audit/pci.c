/* SPDX-License-Identifier: MIT */
/* pci.c - the probes of the PCIe topology, in a row. */
#include "agent/audit/pci_impl.h"

void look_pci(const struct machine *m, struct findings *f)
{
    struct pcilist l;
    if (pcilist_read(m, &l) < 0) {
        findings_fini(f);
        return;
    }
    pci_near(&l, f);
    pci_injected(m, f);
    pci_links(m, &l, f);
    pci_iommu(m, &l, f);
    pci_config(m, &l, f);
    pci_functions(m, &l, f);
    pcilist_fini(&l);
}
