/* SPDX-License-Identifier: MIT */
/* pci_manners.c - do links sleep, are payloads smaller than need be, and must writes wait for
 * each other? */
#include "agent/audit/pci_config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/audit/pcilink.h"

#define POLICY "/sys/module/pcie_aspm/parameters/policy"

struct manners {
    struct pcinote strict, sleeps, small, unread;
    unsigned read;
};

/* The payload of a hierarchy is that of its least able member: what is below one root port
 * must agree on it. */
static unsigned payload_can(const struct pci_config *x, size_t at)
{
    const struct pcilist_device *d = &x->l->d[at];
    unsigned least = x->caps[at].payload_most;
    for (size_t i = 0; i < x->l->n; i++) {
        const struct pcilist_device *o = &x->l->d[i];
        bool same = i == at || (d->depth && o->depth && o->above[0] == d->above[0]) ||
                    (d->depth && d->above[0] == i);
        unsigned can = x->caps[i].payload_most;
        if (same && x->wanted[i] && can && can < least)
            least = can;
    }
    return least;
}

static void manners_look(const struct pci_config *x, size_t at, struct manners *ret)
{
    const struct pcilist_device *d = &x->l->d[at];
    const struct pcicaps *c = &x->caps[at];
    char path[MACHINE_PATH];
    int64_t l1 = 0;
    bool sleeps =
        machine_int(x->m, pcilist_path(d, "link/l1_aspm", path), &l1) == 0 && l1;
    if (sleeps || (c->express && c->aspm))
        pcinote_add(&ret->sleeps, "%s", d->name);
    if (!c->express) {
        if (c->cut || c->broken)
            pcinote_add(&ret->unread, "%s", d->name);
        return;
    }
    unsigned can = payload_can(x, at);
    ret->read++;
    if (d->kind == PCILIST_NIC && !c->relaxed)
        pcinote_add(&ret->strict, "%s", d->name);
    if (c->payload && c->payload < can)
        pcinote_add(&ret->small, "%s %u of %u bytes", d->name, c->payload, can);
}

/* "[default] performance powersave powersupersave": the chosen one. */
static void policy_read(const struct machine *m, char ret[32])
{
    char text[128];
    int rc = machine_line(m, POLICY, text, sizeof text);
    if (rc < 0 || !machine_choice(text, ret, 32))
        (void)snprintf(ret, 32, "%s", rc == -ENOENT ? "none" : "unknown");
}

static void manners_warn(struct manners *a, const char *policy, struct findings *f)
{
    char text[FINDING_TEXT];
    int n = 0;
    struct {
        const char *what;
        struct pcinote *of;
    } all[] = {{"relaxed ordering off on ", &a->strict},
               {"links sleep (aspm) at ", &a->sleeps},
               {"payload less than can be at ", &a->small}};
    if (!strncmp(policy, "power", 5))
        n = snprintf(text, sizeof text, "aspm policy %s", policy);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].of->n && n < (int)sizeof text)
            n += snprintf(text + n, sizeof text - (size_t)n, "%s%s%s", n ? "; " : "",
                          all[i].what, pcinote_text(all[i].of));
    found(f, AUDIT_PC8, AUDIT_WARN, PCI_CONFIG_SOURCE, "%s", text);
}

void pci_manners(const struct pci_config *x, struct findings *f)
{
    struct manners a = {0};
    char policy[32];
    for (size_t i = 0; i < x->l->n; i++) {
        const struct pcilist_device *d = &x->l->d[i];
        if (pcilist_matters(d) && !pcilink_is_small(d, pcilink_read(x->m, d, true)))
            manners_look(x, i, &a);
    }
    policy_read(x->m, policy);
    if (!x->l->gpus && !x->l->nics)
        found(f, AUDIT_PC8, AUDIT_UNKNOWN, PCI_CONFIG_SOURCE,
              "there is no gpu and no nic on pci");
    else if (!strncmp(policy, "power", 5) || a.strict.n || a.sleeps.n || a.small.n)
        manners_warn(&a, policy, f);
    else if (a.unread.n)
        pci_config_unread(x, f, AUDIT_PC8, &a.unread);
    else if (!a.read)
        found(f, AUDIT_PC8, AUDIT_UNKNOWN, PCI_CONFIG_SOURCE,
              "no gpu, and no nic of note, is on pci express");
    else
        found(f, AUDIT_PC8, AUDIT_PASS, PCI_CONFIG_SOURCE,
              "aspm policy %s, no link sleeps; payload as can be, relaxed ordering on",
              policy);
    if (x->l->gpus + x->l->nics)
        found_value(f, "aspm policy %s", policy);
}
