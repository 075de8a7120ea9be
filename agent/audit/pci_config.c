/* SPDX-License-Identifier: MIT */
/* pci_config.c - what only the configuration space of devices says, and that beyond its
 * first 64 bytes: for who may read them (root, with CAP_SYS_ADMIN). Of GPUs and NICs the
 * first 256 bytes are read, of bridges all, and of no other device any. */
#include "agent/audit/pci_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/audit/pcicaps.h"
#include "agent/audit/pcilink.h"
#include "agent/audit/pcinote.h"

#define SOURCE "/sys/bus/pci/devices/*/config"
#define AMD    0x1002u
#define POLICY "/sys/module/pcie_aspm/parameters/policy"
#define REDIRECT \
    (PCICAPS_REDIRECT_REQUEST | PCICAPS_REDIRECT_COMPLETION | PCICAPS_FORWARD_UP)

struct config {
    const struct machine *m;
    const struct pcilist *l;
    struct pcicaps *caps; /* by index */
    bool *wanted;         /* a GPU, a NIC, or above one */
    bool denied;          /* of one all, or all but its header, was withheld */
    bool *between;        /* a bridge that what goes between GPUs and NICs passes */
};

static void config_read(struct config *x, size_t at)
{
    const struct pcilist_device *d = &x->l->d[at];
    uint8_t bytes[PCICAPS_WHOLE + 1] = {0};
    char path[MACHINE_PATH];
    size_t most = d->kind == PCILIST_BRIDGE ? PCICAPS_WHOLE : PCICAPS_BASIC;
    ssize_t n = machine_read(x->m, pcilist_path(d, "config", path), bytes, most + 1);
    x->denied |= n == -EACCES || n == -EPERM || n == PCICAPS_HEADER;
    pcicaps_parse(bytes, n < 0 ? 0 : (size_t)n, &x->caps[at]);
}

/* Of the devices that a GPU shares most bridges with: what lies below those on both sides. */
static void mark_between(struct config *x, size_t gpu)
{
    const struct pcilist *l = x->l;
    const struct pcilist_device *g = &l->d[gpu];
    int best = -1;
    for (size_t i = 0; i < l->n; i++) {
        int n =
            i != gpu && pcilist_matters(&l->d[i]) ? pcilist_common(g, &l->d[i]) : -1;
        best = n > best ? n : best;
    }
    for (size_t i = 0; i < l->n; i++) {
        const struct pcilist_device *d = &l->d[i];
        if (i == gpu || !pcilist_matters(d) || pcilist_common(g, d) != best)
            continue;
        for (unsigned k = best < 0 ? 0 : (unsigned)best; k < d->depth; k++)
            x->between[d->above[k]] = true;
        for (unsigned k = best < 0 ? 0 : (unsigned)best; k < g->depth; k++)
            x->between[g->above[k]] = true;
    }
}

static int config_open(const struct machine *m, const struct pcilist *l,
                       struct config *ret)
{
    *ret = (struct config){.m = m, .l = l};
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
        if (d->kind == PCILIST_GPU)
            mark_between(ret, i);
    }
    for (size_t i = 0; i < l->n; i++)
        if (ret->wanted[i])
            config_read(ret, i);
    return 0;
}

static void config_close(struct config *x)
{
    free(x->caps);
    free(x->wanted);
    free(x->between);
}

/* Root without CAP_SYS_ADMIN, as in a container, sees what any user sees. */
static void say_unread(const struct config *x, struct findings *f, enum audit_probe id,
                       struct pcinote *unread)
{
    uid_t uid = machine_uid(x->m);
    if (!x->denied) {
        found(f, id, AUDIT_UNKNOWN, SOURCE, "no answer, or not to the end: %s",
              pcinote_text(unread));
        return;
    }
    found(f, id, AUDIT_UNKNOWN, SOURCE, "not shown to uid %u: %s", (unsigned)uid,
          pcinote_text(unread));
    found_more(f, "%s", uid == 0 ? "CAP_SYS_ADMIN" : "root");
}

/* ---- ACS ---- */

struct acs {
    struct pcinote redirects, valid, unread;
    unsigned read;
};

static void acs_look(const struct config *x, struct acs *ret)
{
    for (size_t i = 0; i < x->l->n; i++) {
        const struct pcicaps *c = &x->caps[i];
        const char *name = x->l->d[i].name;
        if (!x->between[i])
            continue;
        if (c->acs && (c->acs_control & REDIRECT))
            pcinote_add(&ret->redirects, "%s%s%s%s%s", name,
                        c->acs_control & PCICAPS_SOURCE_VALID ? " SrcValid" : "",
                        c->acs_control & PCICAPS_REDIRECT_REQUEST ? " ReqRedir" : "",
                        c->acs_control & PCICAPS_REDIRECT_COMPLETION ? " CmpltRedir"
                                                                     : "",
                        c->acs_control & PCICAPS_FORWARD_UP ? " UpstreamFwd" : "");
        else if (c->acs && (c->acs_control & PCICAPS_SOURCE_VALID))
            pcinote_add(&ret->valid, "%s", name);
        else if (!c->acs && (c->cut || c->broken || !c->extended))
            pcinote_add(&ret->unread, "%s", name);
        ret->read += c->extended && !c->cut && !c->broken;
    }
}

static void acs_find(const struct config *x, struct findings *f)
{
    struct acs a = {0};
    acs_look(x, &a);
    if (!x->l->gpus)
        found(f, AUDIT_PC4, AUDIT_UNKNOWN, SOURCE, "there is no gpu here");
    else if (a.redirects.n && x->l->guest)
        found(f, AUDIT_PC4, AUDIT_WARN, SOURCE,
              "on, as a guest requires: %s; only ats keeps gpu traffic off the cpu",
              pcinote_text(&a.redirects));
    else if (a.redirects.n)
        found(f, AUDIT_PC4, AUDIT_FAIL, SOURCE,
              "what gpus and nics write to each other goes up to the cpu: %s",
              pcinote_text(&a.redirects));
    else if (x->l->guest)
        found(f, AUDIT_PC4, AUDIT_UNKNOWN, SOURCE,
              "a guest does not see the ports of its host, which needs acs");
    else if (a.unread.n)
        say_unread(x, f, AUDIT_PC4, &a.unread);
    else if (a.valid.n)
        found(f, AUDIT_PC4, AUDIT_WARN, SOURCE,
              "SrcValid alone, which redirects nothing: %s", pcinote_text(&a.valid));
    else if (!a.read)
        found(f, AUDIT_PC4, AUDIT_UNKNOWN, SOURCE,
              "no port between gpus and nics is shown");
    else
        found(f, AUDIT_PC4, AUDIT_PASS, SOURCE, "off on %u port%s", a.read,
              a.read == 1 ? "" : "s");
    if (a.read && !a.unread.n)
        found_value(f, "%u of %u ports redirect", a.redirects.n, a.read);
}

/* ---- atomic operations ---- */

struct atomics {
    struct pcinote blocked, off, unread;
    bool missed; /* by a GPU of AMD, whose driver wants them */
    unsigned able;
};

static bool is_hidden(const struct pcicaps *c)
{
    return !c->second && (c->cut || c->broken);
}

/* Of one GPU: it asks, switches pass on, the root port does. */
static void atomics_look(const struct config *x, size_t gpu, struct atomics *ret)
{
    const struct pcilist_device *d = &x->l->d[gpu];
    const struct pcicaps *c = &x->caps[gpu];
    bool passed = true;
    if (is_hidden(c)) {
        pcinote_add(&ret->unread, "%s", d->name);
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

static void atomics_find(const struct config *x, struct findings *f)
{
    struct atomics a = {0};
    for (size_t i = 0; i < x->l->n; i++)
        if (x->l->d[i].kind == PCILIST_GPU)
            atomics_look(x, i, &a);
    if (!x->l->gpus)
        found(f, AUDIT_PC6, AUDIT_UNKNOWN, SOURCE, "there is no gpu here");
    else if (a.blocked.n)
        found(f, AUDIT_PC6, AUDIT_WARN, SOURCE, "blocked on the way: %s",
              pcinote_text(&a.blocked));
    else if (a.unread.n)
        say_unread(x, f, AUDIT_PC6, &a.unread);
    else if (a.off.n)
        found(f, AUDIT_PC6, a.missed ? AUDIT_WARN : AUDIT_PASS, SOURCE,
              "none by %s; nccl does without", pcinote_text(&a.off));
    else
        found(f, AUDIT_PC6, AUDIT_PASS, SOURCE,
              "allowed to %u gpu%s, up to the root port", a.able,
              a.able == 1 ? "" : "s");
}

/* ---- power, payload, ordering ---- */

struct manners {
    struct pcinote strict, sleeps, small, unread;
    unsigned read;
};

/* The payload of a hierarchy is that of its least able member: what is below one root port
 * must agree on it. */
static unsigned payload_can(const struct config *x, size_t at)
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

static void manners_look(const struct config *x, size_t at, struct manners *ret)
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
static const char *policy_read(const struct machine *m, char ret[32])
{
    char text[128], *from = NULL, *to = NULL;
    int rc = machine_line(m, POLICY, text, sizeof text);
    if (rc == 0 && (from = strchr(text, '[')))
        to = strchr(from, ']');
    if (to)
        *to = '\0';
    (void)snprintf(ret, 32, "%s", to ? from + 1 : rc == -ENOENT ? "none" : "unknown");
    return ret;
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
    found(f, AUDIT_PC8, AUDIT_WARN, SOURCE, "%s", text);
}

static void manners_find(const struct config *x, struct findings *f)
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
        found(f, AUDIT_PC8, AUDIT_UNKNOWN, SOURCE, "there is no gpu and no nic on pci");
    else if (!strncmp(policy, "power", 5) || a.strict.n || a.sleeps.n || a.small.n)
        manners_warn(&a, policy, f);
    else if (a.unread.n)
        say_unread(x, f, AUDIT_PC8, &a.unread);
    else if (!a.read)
        found(f, AUDIT_PC8, AUDIT_UNKNOWN, SOURCE,
              "no gpu, and no nic of note, is on pci express");
    else
        found(f, AUDIT_PC8, AUDIT_PASS, SOURCE,
              "aspm policy %s, no link sleeps; payload as can be, relaxed ordering on",
              policy);
    if (x->l->gpus + x->l->nics)
        found_value(f, "aspm policy %s", policy);
}

void pci_config(const struct machine *m, const struct pcilist *l, struct findings *f)
{
    struct config x;
    if (config_open(m, l, &x) < 0) {
        config_close(&x);
        findings_fini(f);
        return;
    }
    acs_find(&x, f);
    atomics_find(&x, f);
    manners_find(&x, f);
    config_close(&x);
}
