/* SPDX-License-Identifier: MIT */
/* topo_devices.c - PCI, GPUs and NICs of a description: checked, and where they are. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/place/topo_impl.h"
#include "proto/base/limits.h"
#include "proto/wire/busid.h"

#define NAME_MAX_LEN 63u  /* of an RDMA device; an interface has 15 */
#define TEXT_MAX_LEN 255u /* what a driver says of a device */
#define PORTS_MAX    255u /* of a NIC; InfiniBand numbers them in a byte */

/* ---- texts ---- */

static bool fits(const char *s, size_t max, const char *also)
{
    size_t n = strlen(s);
    if (n > max)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char)s[i]) && !strchr(also, s[i]))
            return false;
    }
    return true;
}

/* It is printed, and stands in names that programs split at commas and colons. */
static int check_name(const char *s, const char *what, size_t i, struct err *e)
{
    return fits(s, NAME_MAX_LEN, "_-.+@")
               ? 0
               : err_set(e, ERR_PROTO,
                         "%s %zu of a topology has a name of %zu bytes that "
                         "no device has",
                         what, i, strlen(s));
}

static int check_text(const char *s, const char *what, size_t i, struct err *e)
{
    size_t n = strlen(s);
    bool good = n <= TEXT_MAX_LEN;
    for (size_t k = 0; k < n && good; k++)
        good = (unsigned char)s[k] >= ' ' && s[k] != 0x7f;
    return good ? 0
                : err_set(e, ERR_PROTO,
                          "%s %zu of a topology has a text that cannot be shown", what,
                          i);
}

static int check_bus_id(const char *s, const char *what, size_t i, struct err *e)
{
    uint64_t key;
    return !*s || busid_read(s, &key)
               ? 0
               : err_set(e, ERR_PROTO, "%s %zu of a topology has no PCI address", what,
                         i);
}

/* ---- where devices are ---- */

static int package_of(const struct topo *t, const struct topo_place *p)
{
    if (rankset_next(&p->cpus, 0) >= 0) {
        for (size_t i = 0; i < t->n_packages; i++) {
            if (rankset_contains(&t->packages[i].cpus, &p->cpus))
                return (int)i;
        }
        return -1;
    }
    int package = -1;
    for (size_t i = 0; i < t->n_numa; i++) {
        if (!rankset_has(&p->numa, t->numa[i].os))
            continue;
        if (t->numa[i].package < 0 || (package >= 0 && t->numa[i].package != package))
            return -1;
        package = t->numa[i].package;
    }
    return package;
}

/* Without allowed CPUs, the one node that it names. */
static int node_of(const struct topo *t, const struct topo_place *p)
{
    if (rankset_next(&p->cpus, 0) >= 0)
        return topo_numa_of(t, &p->cpus);
    int64_t os = rankset_next(&p->numa, 0);
    if (os < 0 || rankset_next(&p->numa, (uint32_t)os + 1) >= 0)
        return -1;
    for (size_t i = 0; i < t->n_numa; i++) {
        if (t->numa[i].os == (uint32_t)os)
            return (int)i;
    }
    return -1;
}

static void locate(const struct topo *t, struct topo_place *p)
{
    p->located = true;
    p->package = package_of(t, p);
    p->node = node_of(t, p);
}

int topo_place_of_cpus(const struct topo *t, const struct rankset *cpus,
                       struct topo_place *ret)
{
    struct topo_place p = {0};
    int rc = rankset_merge(&p.cpus, cpus);
    for (size_t i = 0; i < t->n_numa && rc == 0; i++) {
        if (!t->numa[i].of_gpu && rankset_intersects(&t->numa[i].cpus, cpus))
            rc = rankset_add(&p.numa, t->numa[i].os);
    }
    if (rc < 0) {
        topo_place_fini(&p);
        return rc;
    }
    locate(t, &p);
    *ret = p;
    return 0;
}

void topo_place_fini(struct topo_place *p)
{
    if (!p->shared) {
        rankset_fini(&p->cpus);
        rankset_fini(&p->numa);
    }
    *p = (struct topo_place){.node = -1, .package = -1};
}

static int load_place(struct topo *t, const char *cpus, const uint32_t *numa,
                      size_t n_numa, const char *what, size_t i, struct topo_place *p,
                      struct err *e)
{
    int rc = topo_check_count(n_numa, LIMIT_NUMA, "NUMA nodes at a device", e);
    if (rc == 0)
        rc = topo_read_cpus(t, &p->cpus, cpus, what, i, e);
    for (size_t k = 0; k < n_numa && rc == 0; k++) {
        size_t at = 0;
        while (at < t->n_numa && t->numa[at].os != numa[k])
            at++;
        if (at == t->n_numa || t->numa[at].of_gpu)
            rc = err_set(e, ERR_PROTO,
                         "%s %zu of a topology is at NUMA node %u, which is not there",
                         what, i, numa[k]);
        else
            rc = rankset_add(&p->numa, numa[k]);
    }
    if (rc == 0)
        locate(t, p);
    return rc;
}

static void share_place(struct topo_place *p, const struct topo_place *of)
{
    *p = *of;
    p->shared = true;
}

/* ---- devices ---- */

int topo_load_pci(struct topo *t, const Aolani__PciNode *m, size_t i, struct err *e)
{
    struct topo_pci *p = &t->pci[i];
    bool root = m->kind == AOLANI__PCI_NODE__KIND__HOST_BRIDGE;
    p->m = m;
    p->parent = (int)m->parent - 1;
    if (m->kind > AOLANI__PCI_NODE__KIND__DEVICE || m->kind < 0)
        return err_set(e, ERR_PROTO, "PCI node %zu of a topology is of no known kind",
                       i);
    if (root != (m->parent == 0) || m->parent > i ||
        (!root && t->pci[p->parent].m->kind == AOLANI__PCI_NODE__KIND__DEVICE))
        return err_set(e, ERR_PROTO, "PCI node %zu of a topology hangs on %u", i,
                       m->parent);
    int rc = check_bus_id(m->bus_id, "PCI node", i, e);
    if (rc < 0)
        return rc;
    p->depth = root ? 0 : t->pci[p->parent].depth + 1;
    if (m->located)
        return load_place(t, m->cpus, m->numa, m->n_numa, "PCI node", i, &p->place, e);
    if (!root)
        share_place(&p->place, &t->pci[p->parent].place);
    return 0;
}

static int check_pci_index(const struct topo *t, uint32_t pci, const char *what,
                           size_t i, struct err *e)
{
    if (pci > t->n_pci ||
        (pci > 0 && t->pci[pci - 1].m->kind != AOLANI__PCI_NODE__KIND__DEVICE))
        return err_set(e, ERR_PROTO, "%s %zu of a topology is no PCI device: %u", what,
                       i, pci);
    return 0;
}

int topo_load_gpu(struct topo *t, const Aolani__Gpu *m, size_t i, struct err *e)
{
    struct topo_gpu *g = &t->gpus[i];
    g->m = m;
    g->pci = (int)m->pci - 1;
    int rc = check_pci_index(t, m->pci, "GPU", i, e);
    if (rc == 0)
        rc = check_bus_id(m->bus_id, "GPU", i, e);
    if (rc == 0)
        rc = check_name(m->osdev, "GPU", i, e);
    if (rc == 0)
        rc = check_name(m->uuid, "GPU", i, e);
    if (rc == 0)
        rc = check_name(m->parent_uuid, "GPU", i, e);
    if (rc == 0)
        rc = check_text(m->vendor, "GPU", i, e);
    if (rc == 0)
        rc = check_text(m->model, "GPU", i, e);
    if (rc == 0 && m->located)
        return load_place(t, m->cpus, m->numa, m->n_numa, "GPU", i, &g->place, e);
    if (rc == 0 && g->pci >= 0)
        share_place(&g->place, &t->pci[g->pci].place);
    return rc;
}

int topo_load_nic(struct topo *t, const Aolani__Nic *m, size_t i, struct err *e)
{
    struct topo_nic *n = &t->nics[i];
    n->m = m;
    n->pci = (int)m->pci - 1;
    if (!*m->name)
        return err_set(e, ERR_PROTO, "NIC %zu of a topology has no name", i);
    if (m->n_ports == 0 || m->n_ports > PORTS_MAX)
        return err_set(e, ERR_PROTO, "NIC %zu of a topology has %zu ports", i,
                       m->n_ports);
    for (size_t k = 0; k < m->n_ports; k++) {
        if (m->ports[k]->number > PORTS_MAX)
            return err_set(e, ERR_PROTO, "NIC %zu of a topology has a port %u", i,
                           m->ports[k]->number);
    }
    int rc = check_pci_index(t, m->pci, "NIC", i, e);
    if (rc == 0)
        rc = check_bus_id(m->bus_id, "NIC", i, e);
    if (rc == 0)
        rc = check_name(m->name, "NIC", i, e);
    for (size_t k = 0; k < m->n_interfaces && rc == 0; k++)
        rc = check_name(m->interfaces[k], "NIC", i, e);
    if (rc == 0 && m->located)
        return load_place(t, m->cpus, m->numa, m->n_numa, "NIC", i, &n->place, e);
    if (rc == 0 && n->pci >= 0)
        share_place(&n->place, &t->pci[n->pci].place);
    return rc;
}
