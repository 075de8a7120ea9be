/* SPDX-License-Identifier: MIT */
/* pci_functions.c - are the NICs and GPUs whole ones? A virtual function shares its wire
 * and its buffers with others. On the host of the card the kernel says what is one; in a
 * guest only the card's own number does. */
#include "agent/audit/pci_impl.h"

#include <stdio.h>
#include <string.h>

#include "agent/audit/pcinote.h"

#define SOURCE "/sys/bus/pci/devices/*/{physfn,sriov_numvfs,device}"
#define NITRO  0x1d0fu

struct functions {
    struct pcinote lent;   /* functions whose card is another's */
    struct pcinote shared; /* cards of ours with virtual functions */
    struct pcinote made;   /* by software of a host */
};

/* Numbers that makers gave to virtual functions alone (the PCI ID Repository). */
static bool is_virtual_number(uint32_t vendor, uint32_t device)
{
    static const uint32_t numbers[] = {
        0x15b31002, 0x15b31004, /* mlx4 */
        0x15b31012, 0x15b31014, 0x15b31016, 0x15b31018, 0x15b3101a,
        0x15b3101c, 0x15b3101e,                                     /* mlx5 */
        0x808610ca, 0x80861520, 0x808610ed, 0x80861515, 0x80861565, /* igb, ixgbe */
        0x8086154c, 0x808637cd, 0x80861889, 0x8086145c, /* i40e, ice, idpf */
        0x14e416dc, 0x14e416e1, 0x14e416e5, 0x14e41806, 0x14e41807, /* bnxt */
        0x141400ba,                                                 /* mana */
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i] == (vendor << 16 | device))
            return true;
    return false;
}

static const char *maker_of_software(const struct pcilist_device *d)
{
    static const struct {
        uint32_t vendor;
        const char *name;
    } makers[] = {
        {0x1af4, "virtio"}, {0x15ad, "vmxnet"}, {0x1414, "hyper-v"},
        {0x1ae0, "gve"},    {0x5853, "xen"},
    };
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++)
        if (makers[i].vendor == d->vendor)
            return makers[i].name;
    return NULL;
}

/* In a container with a network of its own: is the interface of this function in it? */
static bool has_interface(const struct machine *m, const struct pcilist_device *d)
{
    char path[MACHINE_PATH], **names;
    int n = machine_list(m, pcilist_path(d, "net", path), &names);
    machine_free_names(names, n);
    return n > 0;
}

static bool card_has_interface(const struct machine *m, const struct pcilist_device *d)
{
    char path[MACHINE_PATH], **names;
    int n = machine_list(m, pcilist_path(d, "physfn/net", path), &names);
    machine_free_names(names, n);
    return n > 0;
}

/* A card that a guest is lent never shows its physical function. */
static bool is_lent(const struct pcilist *l, const struct pcilist_device *d)
{
    return is_virtual_number(d->vendor, d->device) || (l->guest && d->vendor == NITRO);
}

static void look(const struct machine *m, const struct pcilist *l,
                 const struct pcilist_device *d, struct functions *ret)
{
    char path[MACHINE_PATH];
    int64_t n = 0;
    const char *maker = d->kind == PCILIST_NIC ? maker_of_software(d) : NULL;
    if (d->is_vf && d->kind == PCILIST_NIC) {
        if (has_interface(m, d) && !card_has_interface(m, d))
            pcinote_add(&ret->lent, "%s", d->name);
        return;
    }
    if (d->is_vf || is_lent(l, d))
        pcinote_add(d->is_vf ? &ret->shared : &ret->lent, "%s", d->name);
    else if (maker)
        pcinote_add(&ret->made, "%s %s", d->name, maker);
    else if (machine_int(m, pcilist_path(d, "sriov_numvfs", path), &n) == 0 && n > 0)
        pcinote_add(&ret->shared, "%s with %lld", d->name, (long long)n);
}

void pci_functions(const struct machine *m, const struct pcilist *l, struct findings *f)
{
    struct functions x = {0};
    char count[64];
    for (size_t i = 0; i < l->n; i++)
        if (l->d[i].kind == PCILIST_GPU || l->d[i].kind == PCILIST_NIC)
            look(m, l, &l->d[i], &x);
    if (l->gpus + l->nics + x.lent.n == 0)
        found(f, AUDIT_PC9, AUDIT_UNKNOWN, SOURCE, "there is no gpu and no nic on pci");
    else if (x.lent.n)
        found(f, AUDIT_PC9, AUDIT_FAIL, SOURCE,
              "virtual functions of a card that is another's: %s",
              pcinote_text(&x.lent));
    else if (x.shared.n)
        found(f, AUDIT_PC9, AUDIT_WARN, SOURCE, "shared by virtual functions: %s",
              pcinote_text(&x.shared));
    else if (x.made.n)
        found(f, AUDIT_PC9, AUDIT_WARN, SOURCE, "a nic that is software of a host: %s",
              pcinote_text(&x.made));
    else
        found(f, AUDIT_PC9, AUDIT_PASS, SOURCE, "%s, all whole devices",
              pcilist_count(l, count));
    found_value(f, "%s",
                x.lent.n     ? "virtual"
                : x.shared.n ? "shared"
                : x.made.n   ? "software"
                             : "whole");
}
