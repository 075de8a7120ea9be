/* SPDX-License-Identifier: MIT */
/* pci_near.c - is the topology there by which NCCL pairs GPUs and NICs, and is it the
 * kernel's own? NCCL climbs the same path in /sys, so what is flat here is flat there. */
#include "agent/audit/pci_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/audit/pcinote.h"

#define SOURCE "/sys/bus/pci/devices"

/* Bridges in common with the nearest NIC: the first is the root port, so two or more are
 * a switch. -1: no host bridge in common with any, or no NIC. */
static int nearest(const struct pcilist *l, const struct pcilist_device *gpu)
{
    int best = -1;
    for (size_t i = 0; i < l->n; i++) {
        const struct pcilist_device *d = &l->d[i];
        int n = d->kind == PCILIST_NIC ? pcilist_common(gpu, d) : -1;
        best = n > best ? n : best;
    }
    return best;
}

struct near {
    struct pcinote flat; /* on a root bus */
    struct pcinote far;  /* without a switch to a NIC */
    struct pcinote lost; /* not known where */
    unsigned by_switch;
};

static void look(const struct pcilist *l, struct near *ret)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct pcilist_device *d = &l->d[i];
        if (d->kind != PCILIST_GPU)
            continue;
        if (!*d->host)
            pcinote_add(&ret->lost, "%s", d->name);
        else if (d->depth == 0)
            pcinote_add(&ret->flat, "%s", d->name);
        else if (nearest(l, d) >= 2)
            ret->by_switch++;
        else
            pcinote_add(&ret->far, "%s", d->name);
    }
}

void pci_near(const struct pcilist *l, struct findings *f)
{
    struct near n = {0};
    char count[64];
    pcilist_count(l, count);
    look(l, &n);
    if (l->flat && l->nics && !l->gpus)
        found(f, AUDIT_PC1, AUDIT_FAIL, SOURCE,
              "no port and no bridge on pci at all: a flat topology (%s)", count);
    else if (!l->gpus)
        found(f, AUDIT_PC1, AUDIT_UNKNOWN, SOURCE, "there is no gpu here (%s)", count);
    else if (n.flat.n)
        found(f, AUDIT_PC1, AUDIT_FAIL, SOURCE,
              "%s on a root bus, with no port or switch above: a flat topology (%s)",
              pcinote_text(&n.flat), count);
    else if (!l->nics)
        found(f, AUDIT_PC1, AUDIT_WARN, SOURCE, "there is no nic on pci (%s)", count);
    else if (n.lost.n)
        found(f, AUDIT_PC1, AUDIT_UNKNOWN, SOURCE, "where %s sits is not shown",
              pcinote_text(&n.lost));
    else if (n.far.n)
        found(f, AUDIT_PC1, AUDIT_WARN, SOURCE,
              "%s without a nic below the same switch: what they send goes through the "
              "cpu (%s)",
              pcinote_text(&n.far), count);
    else
        found(f, AUDIT_PC1, AUDIT_PASS, SOURCE,
              "%u of %zu gpus have a nic below their own switch (%s)", n.by_switch,
              l->gpus, count);
    found_value(f, "%s, %u by a switch", count, n.by_switch);
}

/* ---- a topology that somebody wrote ---- */

/* NAME=VALUE in the file that NCCL reads its settings from. */
static bool is_set_in_conf(const struct machine *m, char *ret, size_t size)
{
    static const char name[] = "NCCL_TOPO_FILE=";
    char text[8192], *left = NULL;
    if (machine_read(m, "/etc/nccl.conf", text, sizeof text) < 0)
        return false;
    for (char *at = strtok_r(text, "\r\n", &left); at;
         at = strtok_r(NULL, "\r\n", &left)) {
        at += strspn(at, " \t");
        if (!strncmp(at, name, sizeof name - 1) && at[sizeof name - 1]) {
            (void)snprintf(ret, size, "%s", at + sizeof name - 1);
            return true;
        }
    }
    return false;
}

void pci_injected(const struct machine *m, struct findings *f)
{
    static const char *const files[] = {
        "/var/run/nvidia-topologyd/virtualTopology.xml",
        "/run/nvidia-topologyd/virtualTopology.xml",
    };
    char text[200];
    const char *env = machine_is_live(m) ? getenv("NCCL_TOPO_FILE") : NULL;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (machine_exists(m, files[i])) {
            found(f, AUDIT_PC2, AUDIT_WARN, files[i],
                  "somebody had to write down the topology, and nccl believes it");
            return;
        }
    }
    if (env && *env)
        found(f, AUDIT_PC2, AUDIT_WARN, "NCCL_TOPO_FILE",
              "NCCL_TOPO_FILE is \"%.200s\": nccl believes that, not /sys", env);
    else if (is_set_in_conf(m, text, sizeof text))
        found(f, AUDIT_PC2, AUDIT_WARN, "/etc/nccl.conf",
              "NCCL_TOPO_FILE is \"%s\": nccl believes that, not /sys", text);
    else
        found(f, AUDIT_PC2, AUDIT_PASS, files[0],
              "no topology file: nccl reads what the kernel shows");
}
