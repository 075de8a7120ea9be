/* SPDX-License-Identifier: MIT */
/* looks.c - see looks.h. */
#include "agent/audit/looks.h"

#include <errno.h>
#include <string.h>

enum look {
    LOOK_HYPERVISOR,
    LOOK_PCI,
    LOOK_NUMA,
    LOOK_TUNABLES,
    LOOK_NETWORK,
    LOOK_TIMERS,
    LOOK_GPUS, /* last: a driver may take seconds to wake */
    LOOKS
};

static const struct {
    const char *what;
    look_f look;
} looks[LOOKS] = {
    [LOOK_HYPERVISOR] = {"looking for a hypervisor", look_hypervisor},
    [LOOK_PCI] = {"looking at PCIe", look_pci},
    [LOOK_NUMA] = {"looking at NUMA nodes", look_numa},
    [LOOK_TUNABLES] = {"looking at kernel parameters", look_tunables},
    [LOOK_NETWORK] = {"looking at the network", look_network},
    [LOOK_TIMERS] = {"looking at clocks", look_timers},
    [LOOK_GPUS] = {"looking at GPUs", look_gpus},
};

/* By topic, but for what only the GPUs' driver can tell. */
static enum look look_of(enum audit_probe p)
{
    static const enum look by_topic[AUDIT_TOPICS] = {
        [AUDIT_TOPOLOGY] = LOOK_PCI,
        [AUDIT_NUMA] = LOOK_NUMA,
        [AUDIT_TUNABLES] = LOOK_TUNABLES,
        [AUDIT_NETWORK] = LOOK_NETWORK,
        [AUDIT_HYPERVISOR] = LOOK_HYPERVISOR,
        [AUDIT_CONTAINER] = LOOK_HYPERVISOR,
        [AUDIT_GPU] = LOOK_GPUS,
        [AUDIT_TIMERS] = LOOK_TIMERS,
    };
    if (p == AUDIT_HV13 || p == AUDIT_PC7)
        return LOOK_GPUS;
    return by_topic[audit_probe_info(p)->topic];
}

static bool is_skipped(const char *id, char *const *skip, size_t n_skip)
{
    for (size_t i = 0; i < n_skip; i++)
        if (!strcmp(skip[i], id))
            return true;
    return false;
}

static bool is_wanted(enum look l, char *const *skip, size_t n_skip)
{
    for (int p = 0; p < AUDIT_N_PROBES; p++)
        if (look_of((enum audit_probe)p) == l &&
            !is_skipped(audit_probe_info((enum audit_probe)p)->id, skip, n_skip))
            return true;
    return false;
}

static void drop_skipped(Aolani__AuditFindings *m, char *const *skip, size_t n_skip)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n_findings; i++) {
        if (is_skipped(m->findings[i]->id, skip, n_skip))
            aolani__audit_finding__free_unpacked(m->findings[i], NULL);
        else
            m->findings[n++] = m->findings[i];
    }
    m->n_findings = n;
}

int looks_run(const struct machine *m, char *const *skip, size_t n_skip,
              looks_progress progress, void *arg, Aolani__AuditFindings **ret,
              struct err *e)
{
    struct findings f;
    findings_init(&f);
    for (int l = 0; l < LOOKS && f.m; l++) {
        if (!is_wanted((enum look)l, skip, n_skip))
            continue;
        if (progress)
            progress(arg, looks[l].what, (unsigned)(100 * l / LOOKS));
        looks[l].look(m, &f);
    }
    if (!f.m)
        return err_sys(e, -ENOMEM, "look at the machine");
    f.m->uid = (uint32_t)machine_uid(m);
    drop_skipped(f.m, skip, n_skip);
    *ret = findings_take(&f);
    return 0;
}
