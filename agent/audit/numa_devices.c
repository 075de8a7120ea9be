/* SPDX-License-Identifier: MIT */
/* numa_devices.c - does the firmware say which node each GPU and NIC is at, and may the
 * CPUs there be used? NCCL leaves a device without a node out of its reckoning, and an
 * empty set of near CPUs is passed over in silence. */
#include "agent/audit/numa_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/audit/pcinote.h"

#define NODE_SOURCE "/sys/bus/pci/devices/*/numa_node"
#define CPU_SOURCE  "/sys/bus/pci/devices/*/local_cpulist, /proc/self/status"

/* ---- NU1 ---- */

struct places {
    struct pcinote nowhere, wrong, unread;
    char gpus[160], nics[160]; /* "0,0,1,1" */
    unsigned n;
};

static void places_append(char *text, size_t size, long long node)
{
    size_t len = strlen(text);
    (void)snprintf(text + len, size - len, "%s%lld", len ? "," : "", node);
}

static void places_look(const struct numa *x, struct places *ret)
{
    for (size_t i = 0; i < x->pci.n; i++) {
        const struct pcilist_device *d = &x->pci.d[i];
        char path[MACHINE_PATH];
        int64_t node;
        if (!pcilist_matters(d))
            continue;
        if (machine_int(x->m, pcilist_path(d, "numa_node", path), &node) < 0) {
            pcinote_add(&ret->unread, "%s", d->name);
            continue;
        }
        ret->n++;
        if (node == -1)
            pcinote_add(&ret->nowhere, "%s", d->name);
        else if (node < 0 || node >= NUMASET_BITS ||
                 !numaset_has(&x->nodes, (unsigned)node))
            pcinote_add(&ret->wrong, "%s %lld", d->name, (long long)node);
        if (d->kind == PCILIST_GPU)
            places_append(ret->gpus, sizeof ret->gpus, node);
        else
            places_append(ret->nics, sizeof ret->nics, node);
    }
}

void numa_devices(const struct numa *x, struct findings *f)
{
    struct places p = {0};
    places_look(x, &p);
    if (!x->pci.gpus && !x->pci.nics)
        found(f, AUDIT_NU1, AUDIT_UNKNOWN, NODE_SOURCE,
              "there is no gpu and no nic on pci (%u node%s)", x->n,
              x->n == 1 ? "" : "s");
    else if (!x->n || !p.n)
        found(f, AUDIT_NU1, AUDIT_UNKNOWN, NODE_SOURCE, "this kernel shows no numa");
    else if (p.nowhere.n && (x->n > 1 || x->pci.guest))
        found(f, AUDIT_NU1, AUDIT_FAIL, NODE_SOURCE, "-1 for %s (%u node%s)",
              pcinote_text(&p.nowhere), x->n, x->n == 1 ? "" : "s");
    else if (p.wrong.n)
        found(f, AUDIT_NU1, AUDIT_FAIL, NODE_SOURCE, "nodes that are not there: %s",
              pcinote_text(&p.wrong));
    else if (p.nowhere.n)
        found(f, AUDIT_NU1, AUDIT_WARN, NODE_SOURCE,
              "-1 for %s, on a machine of one node", pcinote_text(&p.nowhere));
    else if (p.unread.n)
        found(f, AUDIT_NU1, AUDIT_UNKNOWN, NODE_SOURCE, "not to be read for %s",
              pcinote_text(&p.unread));
    else
        found(f, AUDIT_NU1, AUDIT_PASS, NODE_SOURCE, "of %u node%s: gpus %s, nics %s",
              x->n, x->n == 1 ? "" : "s", *p.gpus ? p.gpus : "none",
              *p.nics ? p.nics : "none");
    if (p.n)
        found_value(f, "gpus %s nics %s", p.gpus, p.nics);
}

/* ---- NU5 ---- */

struct allowed {
    struct numaset cpus, mems;
    bool has_mems;
};

/* "Cpus_allowed_list:\t0-3" */
static bool list_read(char *status, const char *name, struct numaset *ret)
{
    char *at = strstr(status, name), text[4096];
    if (!at)
        return false;
    at += strlen(name);
    at += strspn(at, " \t");
    size_t n = strcspn(at, "\n");
    if (n >= sizeof text)
        return false;
    memcpy(text, at, n);
    text[n] = '\0';
    return numaset_parse(text, ret) == 0;
}

static int allowed_read(const struct machine *m, struct allowed *ret)
{
    char status[16384];
    ssize_t n = machine_read(m, "/proc/self/status", status, sizeof status);
    if (n < 0)
        return (int)n;
    ret->has_mems = list_read(status, "\nMems_allowed_list:", &ret->mems);
    return list_read(status, "\nCpus_allowed_list:", &ret->cpus) ? 0 : -EINVAL;
}

struct nears {
    struct pcinote none, some, memory;
    unsigned all, nowhere;
};

static void nears_look(const struct numa *x, const struct pcilist_device *d,
                       const struct allowed *a, struct nears *ret)
{
    char path[MACHINE_PATH], text[4096];
    struct numaset near;
    int64_t node = -1;
    (void)machine_int(x->m, pcilist_path(d, "numa_node", path), &node);
    if ((node < 0 && x->n > 1) ||
        machine_line(x->m, pcilist_path(d, "local_cpulist", path), text, sizeof text) <
            0 ||
        numaset_parse(text, &near) < 0 || !numaset_count(&near)) {
        ret->nowhere++; /* then all CPUs are called near, or none */
        return;
    }
    unsigned of = numaset_count(&near), may = numaset_common(&near, &a->cpus);
    if (!may)
        pcinote_add(&ret->none, "%s (near: %s)", d->name, text);
    else if (may < of)
        pcinote_add(&ret->some, "%s %u of %u", d->name, may, of);
    else
        ret->all++;
    if (node >= 0 && a->has_mems && !numaset_has(&a->mems, (unsigned)node))
        pcinote_add(&ret->memory, "%s (node %lld)", d->name, (long long)node);
}

void numa_near(const struct numa *x, struct findings *f)
{
    struct allowed a = {0};
    struct nears r = {0};
    int rc = allowed_read(x->m, &a);
    for (size_t i = 0; rc == 0 && i < x->pci.n; i++)
        if (x->pci.d[i].kind == PCILIST_GPU)
            nears_look(x, &x->pci.d[i], &a, &r);
    if (!x->pci.gpus)
        found(f, AUDIT_NU5, AUDIT_UNKNOWN, CPU_SOURCE, "there is no gpu here");
    else if (rc < 0)
        found(f, AUDIT_NU5, AUDIT_UNKNOWN, CPU_SOURCE, "which cpus are allowed: %s",
              strerror(-rc));
    else if (r.none.n)
        found(f, AUDIT_NU5, AUDIT_FAIL, CPU_SOURCE, "no near cpu may be used for %s",
              pcinote_text(&r.none));
    else if (r.memory.n)
        found(f, AUDIT_NU5, AUDIT_FAIL, CPU_SOURCE, "no near memory may be used for %s",
              pcinote_text(&r.memory));
    else if (r.some.n)
        found(f, AUDIT_NU5, AUDIT_WARN, CPU_SOURCE, "only some of the near cpus: %s",
              pcinote_text(&r.some));
    else if (r.nowhere)
        found(f, AUDIT_NU5, AUDIT_UNKNOWN, CPU_SOURCE,
              "which cpus are near is not said for %u of %zu gpus", r.nowhere,
              x->pci.gpus);
    else
        found(f, AUDIT_NU5, AUDIT_PASS, CPU_SOURCE, "all cpus near %u gpu%s", r.all,
              r.all == 1 ? "" : "s");
}
