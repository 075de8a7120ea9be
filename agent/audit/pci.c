/* SPDX-License-Identifier: MIT */
/* pci.c - the probes of the PCIe topology, in a row. */
#include "agent/audit/pci_impl.h"

#include <string.h>

static void find_nothing(int error, struct findings *f)
{
    static const enum audit_probe probes[] = {
        AUDIT_PC1, AUDIT_PC3, AUDIT_PC4, AUDIT_PC5, AUDIT_PC6, AUDIT_PC8, AUDIT_PC9};
    for (size_t i = 0; i < sizeof probes / sizeof *probes; i++)
        found(f, probes[i], AUDIT_UNKNOWN, "/sys/bus/pci/devices",
              "pci devices cannot be listed: %s", strerror(-error));
}

void look_pci(const struct machine *m, struct findings *f)
{
    struct pcilist l;
    if (pcilist_read(m, &l) < 0) {
        findings_fini(f);
        return;
    }
    pci_injected(m, f);
    if (l.error) {
        find_nothing(l.error, f);
        return;
    }
    pci_near(&l, f);
    pci_links(m, &l, f);
    pci_iommu(m, &l, f);
    pci_config(m, &l, f);
    pci_functions(m, &l, f);
    pcilist_fini(&l);
}
