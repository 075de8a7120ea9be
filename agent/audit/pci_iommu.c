/* SPDX-License-Identifier: MIT */
/* pci_iommu.c - are the addresses that GPUs and NICs use translated on their way? Then what
 * one writes to the other may go through the CPU's root complex. */
#include "agent/audit/pci_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/audit/pcinote.h"

#define GROUPS "/sys/kernel/iommu_groups"
#define SOURCE GROUPS "/*/type"

struct iommu {
    unsigned same, translated, unsaid; /* devices by the type of their group */
    struct pcinote bad;
};

static void look(const struct machine *m, const struct pcilist_device *d,
                 struct iommu *ret)
{
    char path[MACHINE_PATH], type[32];
    if (!machine_exists(m, pcilist_path(d, "iommu_group", path)))
        return;
    if (machine_line(m, pcilist_path(d, "iommu_group/type", path), type, sizeof type) <
        0) {
        ret->unsaid++;
    } else if (!strcmp(type, "identity")) {
        ret->same++;
    } else {
        ret->translated++;
        pcinote_add(&ret->bad, "%s %s", d->name, type);
    }
}

/* A word of the kernel's command line. */
static bool is_booted_with(const struct machine *m, const char *word)
{
    char text[4096];
    return machine_line(m, "/proc/cmdline", text, sizeof text) == 0 &&
           machine_has_word(text, word);
}

static bool is_there(const struct machine *m)
{
    static const char *const folders[] = {"/sys/class/iommu", GROUPS};
    int n = 0;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char **names;
        int k = machine_list(m, folders[i], &names);
        machine_free_names(names, k);
        n += k > 0;
    }
    return n;
}

static void say(const struct machine *m, const struct pcilist *l, struct iommu *x,
                struct findings *f)
{
    bool passes =
        is_booted_with(m, "iommu=pt") || is_booted_with(m, "iommu.passthrough=1");
    if (x->translated)
        found(
            f, AUDIT_PC5, AUDIT_WARN, SOURCE,
            "addresses are translated: %s (iommu=pt, or off in the firmware, ends it)",
            pcinote_text(&x->bad));
    else if (x->same)
        found(f, AUDIT_PC5, AUDIT_PASS, SOURCE, "identity for %u devices", x->same);
    else if (x->unsaid && passes)
        found(f, AUDIT_PC5, AUDIT_PASS, "/proc/cmdline", "iommu=pt");
    else if (x->unsaid)
        found(f, AUDIT_PC5, AUDIT_UNKNOWN, SOURCE,
              "%u devices in groups without a type", x->unsaid);
    else if (l->guest)
        found(f, AUDIT_PC5, AUDIT_UNKNOWN, GROUPS,
              "this guest sees no iommu; that of its host translates");
    else if (is_there(m))
        found(f, AUDIT_PC5, AUDIT_PASS, GROUPS, "no gpu or nic is behind the iommu");
    else
        found(f, AUDIT_PC5, AUDIT_PASS, GROUPS, "no iommu in use");
}

void pci_iommu(const struct machine *m, const struct pcilist *l, struct findings *f)
{
    struct iommu x = {0};
    for (size_t i = 0; i < l->n; i++)
        if (pcilist_matters(&l->d[i]))
            look(m, &l->d[i], &x);
    say(m, l, &x, f);
    if (l->gpus + l->nics)
        found_value(f, "%s",
                    x.translated ? "translated"
                    : x.same     ? "identity"
                                 : "none");
}
