/* SPDX-License-Identifier: MIT */
/* pci_config.c - what only the configuration space of devices says, and that beyond its
 * first 64 bytes: for who may read them (root, with CAP_SYS_ADMIN). Of GPUs and NICs the
 * first 256 bytes are read, of bridges all, and of no other device any. */
#include "agent/audit/pci_config.h"
#include "agent/audit/pci_impl.h"

#include <errno.h>
#include <stdlib.h>

static void config_read(struct pci_config *x, size_t at)
{
    const struct pcilist_device *d = &x->l->d[at];
    uint8_t bytes[PCICAPS_WHOLE + 1] = {0};
    char path[MACHINE_PATH];
    size_t most = d->kind == PCILIST_BRIDGE ? PCICAPS_WHOLE : PCICAPS_BASIC;
    ssize_t n = machine_read(x->m, pcilist_path(d, "config", path), bytes, most + 1);
    x->denied |= n == -EACCES || n == -EPERM || n == PCICAPS_HEADER;
    pcicaps_parse(bytes, n < 0 ? 0 : (size_t)n, &x->caps[at]);
}

static void mark(struct pci_config *x, const struct pcilist_device *d, int from,
                 enum pci_between what)
{
    for (unsigned k = from < 0 ? 0 : (unsigned)from; k < d->depth; k++)
        if (x->between[d->above[k]] < what)
            x->between[d->above[k]] = what;
}

/* Of the devices of that kind with which a GPU shares most bridges: what lies below those
 * on both sides. GPUs that share none talk by NVLink, or over the CPU in any case. */
static void mark_between(struct pci_config *x, size_t gpu, enum pcilist_kind kind)
{
    const struct pcilist *l = x->l;
    const struct pcilist_device *g = &l->d[gpu];
    enum pci_between what;
    int best = kind == PCILIST_GPU ? 1 : -1;
    for (size_t i = 0; i < l->n; i++) {
        bool is_one = i != gpu && l->d[i].kind == kind && !l->d[i].is_vf;
        int n = is_one ? pcilist_common(g, &l->d[i]) : -1;
        best = n > best ? n : best;
    }
    what = best > 0 ? PCI_BETWEEN_SWITCH : PCI_BETWEEN_ROOTS;
    for (size_t i = 0; i < l->n; i++) {
        const struct pcilist_device *d = &l->d[i];
        if (i == gpu || d->kind != kind || d->is_vf || pcilist_common(g, d) != best)
            continue;
        mark(x, d, best, what);
        mark(x, g, best, what);
    }
}

static int config_open(const struct machine *m, const struct pcilist *l,
                       struct pci_config *ret)
{
    *ret = (struct pci_config){.m = m, .l = l};
    ret->caps = calloc(l->n + 1, sizeof *ret->caps);
    ret->wanted = calloc(l->n + 1, sizeof *ret->wanted);
    ret->between = calloc(l->n + 1, sizeof *ret->between);
    if (!ret->caps || !ret->wanted || !ret->between)
        return -ENOMEM;
    for (size_t i = 0; i < l->n; i++) {
        const struct pcilist_device *d = &l->d[i];
        if (!pcilist_matters(d))
            continue;
        ret->wanted[i] = true;
        for (unsigned k = 0; k < d->depth; k++)
            ret->wanted[d->above[k]] = true;
        if (d->kind == PCILIST_GPU) {
            mark_between(ret, i, PCILIST_NIC);
            mark_between(ret, i, PCILIST_GPU);
        }
    }
    for (size_t i = 0; i < l->n; i++)
        if (ret->wanted[i])
            config_read(ret, i);
    return 0;
}

static void config_close(struct pci_config *x)
{
    free(x->caps);
    free(x->wanted);
    free(x->between);
}

/* Root without CAP_SYS_ADMIN, as in a container, sees what any user sees. */
void pci_config_unread(const struct pci_config *x, struct findings *f,
                       enum audit_probe id, struct pcinote *unread)
{
    uid_t uid = machine_uid(x->m);
    if (!x->denied) {
        found(f, id, AUDIT_UNKNOWN, PCI_CONFIG_SOURCE,
              "no answer, or not to the end: %s", pcinote_text(unread));
        return;
    }
    found(f, id, AUDIT_UNKNOWN, PCI_CONFIG_SOURCE, "not shown to uid %u: %s",
          (unsigned)uid, pcinote_text(unread));
    found_more(f, "%s",
               uid                     ? "root"
               : machine_is_root(x->m) ? "CAP_SYS_ADMIN"
                                       : "root of the machine itself");
}

void pci_config(const struct machine *m, const struct pcilist *l, struct findings *f)
{
    struct pci_config x;
    if (config_open(m, l, &x) < 0) {
        config_close(&x);
        findings_fini(f);
        return;
    }
    pci_acs(&x, f);
    pci_atomics(&x, f);
    pci_manners(&x, f);
    config_close(&x);
}
