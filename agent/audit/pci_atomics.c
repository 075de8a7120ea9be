/* SPDX-License-Identifier: MIT */
/* pci_atomics.c - may a GPU do atomic operations on the memory of the host? NCCL needs none,
 * the driver of AMD's GPUs does. */
#include "agent/audit/pci_config.h"

#define AMD 0x1002u

struct atomics {
    struct pcinote blocked, off, unread, bare; /* bare: no port above it is shown */
    bool missed; /* by a GPU of AMD, whose driver wants them */
    unsigned able;
};

static bool is_hidden(const struct pcicaps *c)
{
    return !c->second && (c->cut || c->broken);
}

/* Of one GPU: it asks, switches pass on, the root port does. */
static void atomics_look(const struct pci_config *x, size_t gpu, struct atomics *ret)
{
    const struct pcilist_device *d = &x->l->d[gpu];
    const struct pcicaps *c = &x->caps[gpu];
    bool passed = true;
    if (is_hidden(c)) {
        pcinote_add(&ret->unread, "%s", d->name);
        return;
    }
    if (d->depth == 0) {
        pcinote_add(&ret->bare, "%s", d->name);
        return;
    }
    for (unsigned k = 0; k < d->depth; k++) {
        const struct pcicaps *b = &x->caps[d->above[k]];
        if (is_hidden(b)) {
            pcinote_add(&ret->unread, "%s", x->l->d[d->above[k]].name);
            return;
        }
        if (b->second && b->blocks) {
            pcinote_add(&ret->blocked, "%s at %s", d->name, x->l->d[d->above[k]].name);
            return;
        }
        passed &= b->second && (k == 0 ? b->completes : b->routes);
    }
    if (c->requests && passed)
        ret->able++;
    else
        pcinote_add(&ret->off, "%s %s", d->name,
                    !passed ? "(a port above cannot)" : "(not enabled)");
    ret->missed |= d->vendor == AMD && !(c->requests && passed);
}

void pci_atomics(const struct pci_config *x, struct findings *f)
{
    struct atomics a = {0};
    for (size_t i = 0; i < x->l->n; i++)
        if (x->l->d[i].kind == PCILIST_GPU)
            atomics_look(x, i, &a);
    if (!x->l->gpus)
        found(f, AUDIT_PC6, AUDIT_UNKNOWN, PCI_CONFIG_SOURCE, "there is no gpu here");
    else if (a.blocked.n)
        found(f, AUDIT_PC6, AUDIT_WARN, PCI_CONFIG_SOURCE, "blocked on the way: %s",
              pcinote_text(&a.blocked));
    else if (a.unread.n)
        pci_config_unread(x, f, AUDIT_PC6, &a.unread);
    else if (a.bare.n)
        found(f, AUDIT_PC6, AUDIT_UNKNOWN, PCI_CONFIG_SOURCE,
              "no port above %s is shown", pcinote_text(&a.bare));
    else if (a.off.n)
        found(f, AUDIT_PC6, a.missed ? AUDIT_WARN : AUDIT_PASS, PCI_CONFIG_SOURCE,
              "none by %s; nccl does without", pcinote_text(&a.off));
    else
        found(f, AUDIT_PC6, AUDIT_PASS, PCI_CONFIG_SOURCE,
              "allowed to %u gpu%s, up to the root port", a.able,
              a.able == 1 ? "" : "s");
}
