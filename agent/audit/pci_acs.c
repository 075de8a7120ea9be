/* SPDX-License-Identifier: MIT */
/* pci_acs.c - is what GPUs and NICs write to each other turned back at a port, to go up to
 * the CPU and down again? Access control services do that, for the sake of guests. */
#include "agent/audit/pci_config.h"

#define REDIRECT \
    (PCICAPS_REDIRECT_REQUEST | PCICAPS_REDIRECT_COMPLETION | PCICAPS_FORWARD_UP)

struct acs {
    struct pcinote redirects, valid, unread;
    struct pcinote roots; /* redirect what no switch could have kept below it */
    unsigned read;
};

static void acs_look(const struct pci_config *x, struct acs *ret)
{
    for (size_t i = 0; i < x->l->n; i++) {
        const struct pcicaps *c = &x->caps[i];
        const char *name = x->l->d[i].name;
        if (!x->between[i])
            continue;
        if (c->acs && (c->acs_control & REDIRECT))
            pcinote_add(
                x->between[i] == PCI_BETWEEN_SWITCH ? &ret->redirects : &ret->roots,
                "%s%s%s%s%s", name,
                c->acs_control & PCICAPS_SOURCE_VALID ? " SrcValid" : "",
                c->acs_control & PCICAPS_REDIRECT_REQUEST ? " ReqRedir" : "",
                c->acs_control & PCICAPS_REDIRECT_COMPLETION ? " CmpltRedir" : "",
                c->acs_control & PCICAPS_FORWARD_UP ? " UpstreamFwd" : "");
        else if (c->acs && (c->acs_control & PCICAPS_SOURCE_VALID))
            pcinote_add(&ret->valid, "%s", name);
        else if (!c->acs && (c->cut || c->broken || !c->extended))
            pcinote_add(&ret->unread, "%s", name);
        ret->read += c->extended && !c->cut && !c->broken;
    }
}

void pci_acs(const struct pci_config *x, struct findings *f)
{
    struct acs a = {0};
    acs_look(x, &a);
    unsigned n = a.redirects.n + a.roots.n;
    if (!x->l->gpus)
        found(f, AUDIT_PC4, AUDIT_UNKNOWN, PCI_CONFIG_SOURCE, "there is no gpu here");
    else if (n && x->l->guest)
        found(f, AUDIT_PC4, AUDIT_WARN, PCI_CONFIG_SOURCE,
              "on, as a guest requires: %s; only ats keeps gpu traffic off the cpu",
              pcinote_text(a.redirects.n ? &a.redirects : &a.roots));
    else if (a.redirects.n)
        found(f, AUDIT_PC4, AUDIT_FAIL, PCI_CONFIG_SOURCE,
              "what gpus and nics write to each other goes up to the cpu: %s",
              pcinote_text(&a.redirects));
    else if (x->l->guest)
        found(f, AUDIT_PC4, AUDIT_UNKNOWN, PCI_CONFIG_SOURCE,
              "a guest does not see the ports of its host, which needs acs");
    else if (a.roots.n)
        found(f, AUDIT_PC4, AUDIT_WARN, PCI_CONFIG_SOURCE,
              "on, where gpus and nics go over the cpu in any case, as they share no "
              "switch: %s",
              pcinote_text(&a.roots));
    else if (a.unread.n)
        pci_config_unread(x, f, AUDIT_PC4, &a.unread);
    else if (a.valid.n)
        found(f, AUDIT_PC4, AUDIT_WARN, PCI_CONFIG_SOURCE,
              "SrcValid alone, which redirects nothing: %s", pcinote_text(&a.valid));
    else if (!a.read)
        found(f, AUDIT_PC4, AUDIT_UNKNOWN, PCI_CONFIG_SOURCE,
              "no port between gpus and nics is shown");
    else
        found(f, AUDIT_PC4, AUDIT_PASS, PCI_CONFIG_SOURCE, "off on %u port%s", a.read,
              a.read == 1 ? "" : "s");
    if (a.read && !a.unread.n)
        found_value(f, "%u of %u ports redirect", n, a.read);
}
