/* SPDX-License-Identifier: MIT */
/* nics.c - network devices. See walk.h.
 *
 * An OpenFabrics object is an RDMA device; a function without one is plain Ethernet, but
 * for Slingshot's, which hwloc 2.9 and older show as a network interface alone. Ethernet
 * is described too, so that what is there and was not chosen can be named.
 */
#include "agent/describe/walk.h"

#include "agent/describe/msg.h"
#include "agent/describe/nicfacts.h"
#include "proto/base/limits.h"

#include <errno.h>
#include <hwloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NICS_PORTS = 16, NICS_INTERFACES = 64, NICS_SLINGSHOT = 0x17db };

static bool nics_is(const struct hwloc_obj *o, hwloc_obj_osdev_type_t type)
{
    return o->type == HWLOC_OBJ_OS_DEVICE && o->attr->osdev.type == type && o->name &&
           *o->name;
}

static hwloc_obj_t nics_next(hwloc_obj_t device, hwloc_obj_osdev_type_t type,
                             hwloc_obj_t after)
{
    hwloc_obj_t o = after ? after->next_sibling : device->io_first_child;
    while (o && !nics_is(o, type))
        o = o->next_sibling;
    return o;
}

/* ---- ports ---- */

static const char *nics_info(hwloc_obj_t o, unsigned port, const char *what)
{
    char name[32];
    (void)snprintf(name, sizeof name, "Port%u%s", port, what);
    return hwloc_obj_get_info_by_name(o, name);
}

/* An address that a subnet manager gave: the port is InfiniBand, whatever its class. */
static bool nics_has_lid(const char *lid)
{
    unsigned long n = lid ? strtoul(lid, NULL, 0) : 0;
    return n > 0 && n < 0xffff;
}

static int nics_read_ports(hwloc_obj_t o, Aolani__Nic *nic)
{
    int rc = 0;
    for (unsigned i = 1; rc == 0 && i <= NICS_PORTS; i++) {
        const char *state = nics_info(o, i, "State"), *lid = nics_info(o, i, "LID");
        if (!state && !lid)
            continue;
        Aolani__NicPort *port = nicfacts_add_port(nic, i);
        if (!port)
            return -ENOMEM;
        port->state = state ? nicfacts_state(state) : 0;
        rc = nics_has_lid(lid) ? msg_text(&port->layer, "InfiniBand") : 0;
    }
    return rc;
}

/* ---- one device ---- */

struct nics_device {
    hwloc_obj_t at; /* the PCI function; NULL: not on PCI */
    uint32_t pci;
    uint16_t vendor, device, class_id;
};

static int nics_read_interfaces(const struct nics_device *d, Aolani__Nic *nic)
{
    int rc = 0;
    for (hwloc_obj_t o = NULL; rc == 0 && d->at &&
                               nic->n_interfaces < NICS_INTERFACES &&
                               (o = nics_next(d->at, HWLOC_OBJ_OSDEV_NETWORK, o));)
        rc = msg_push_text(&nic->interfaces, &nic->n_interfaces, o->name);
    return rc;
}

static int nics_read_rdma(const struct nics_device *d, hwloc_obj_t o, Aolani__Nic *nic)
{
    int rc;
    const char *node = hwloc_obj_get_info_by_name(o, "NodeGUID");
    const char *system = hwloc_obj_get_info_by_name(o, "SysImageGUID");
    if ((rc = nics_read_ports(o, nic)) < 0 || (rc = nics_read_interfaces(d, nic)) < 0 ||
        (node && (rc = msg_text(&nic->node_guid, node)) < 0))
        return rc;
    return system ? msg_text(&nic->system_guid, system) : 0;
}

static int nics_fill(struct walk *w, const struct nics_device *d, hwloc_obj_t o,
                     Aolani__Nic *nic)
{
    bool rdma = o->attr->osdev.type == HWLOC_OBJ_OSDEV_OPENFABRICS;
    int rc = msg_text(&nic->name, o->name);
    nic->pci = d->pci;
    nic->virtual_function = nicfacts_is_virtual(d->vendor, d->device);
    if (rc == 0 && d->pci)
        rc = msg_text(&nic->bus_id, w->t->pci[d->pci - 1]->bus_id);
    if (rc == 0)
        rc = rdma ? nics_read_rdma(d, o, nic)
                  : msg_push_text(&nic->interfaces, &nic->n_interfaces, o->name);
    if (rc == 0)
        rc = walk_place(w, o, &nic->cpus, &nic->numa, &nic->n_numa, &nic->located);
    return rc < 0 ? rc : nicfacts_classify(nic, d->vendor, d->class_id, rdma);
}

static int nics_push(struct walk *w, const struct nics_device *d, hwloc_obj_t o)
{
    int rc = 0;
    if (msg_is_full(w->t, w->t->n_nics, LIMIT_NICS, "network devices", &rc))
        return rc;
    Aolani__Nic *nic = malloc(sizeof *nic);
    if (!nic)
        return -ENOMEM;
    aolani__nic__init(nic);
    if ((rc = nics_fill(w, d, o, nic)) < 0 ||
        (rc = msg_push(&w->t->nics, &w->t->n_nics, nic)) < 0)
        aolani__nic__free_unpacked(nic, NULL);
    return rc;
}

int walk_add_nics(struct walk *w, struct hwloc_obj *device)
{
    const struct hwloc_pcidev_attr_s *a = &device->attr->pcidev;
    struct nics_device d = {.at = device,
                            .vendor = a->vendor_id,
                            .device = a->device_id,
                            .class_id = a->class_id};
    hwloc_obj_osdev_type_t type = HWLOC_OBJ_OSDEV_OPENFABRICS;
    /* Slingshot's own RDMA object has another name; programs are told the interface. */
    if (!nics_next(device, type, NULL) ||
        (d.vendor == NICS_SLINGSHOT &&
         nics_next(device, HWLOC_OBJ_OSDEV_NETWORK, NULL)))
        type = HWLOC_OBJ_OSDEV_NETWORK;
    hwloc_obj_t o = nics_next(device, type, NULL);
    int rc = o ? walk_add_pci(w, device, &d.pci) : 0;
    for (; rc == 0 && o && d.pci; o = nics_next(device, type, o))
        rc = nics_push(w, &d, o);
    return rc;
}

bool walk_is_virtual_nic(const struct hwloc_obj *device)
{
    return nicfacts_is_virtual(device->attr->pcidev.vendor_id,
                               device->attr->pcidev.device_id);
}

int walk_add_lone_nic(struct walk *w, struct hwloc_obj *osdev)
{
    const struct nics_device d = {0};
    if (!nics_is(osdev, HWLOC_OBJ_OSDEV_NETWORK) &&
        !nics_is(osdev, HWLOC_OBJ_OSDEV_OPENFABRICS))
        return 0;
    return nics_push(w, &d, osdev);
}
