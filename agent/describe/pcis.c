/* SPDX-License-Identifier: MIT */
/* pcis.c - the PCI devices that matter, and all that lies between them and the CPUs. See
 * walk.h. The userdata of an hwloc object is 1 + its index in the message's list. */
#include "agent/describe/walk.h"

#include "agent/describe/msg.h"
#include "proto/base/limits.h"

#include <errno.h>
#include <hwloc.h>
#include <stdint.h>
#include <stdlib.h>

enum { PCIS_DEPTH = 64 }; /* bridges one below the other; real machines have ten */

static bool pcis_is_io(const struct hwloc_obj *o)
{
    return o && (o->type == HWLOC_OBJ_BRIDGE || o->type == HWLOC_OBJ_PCI_DEVICE);
}

static bool pcis_is_host_bridge(const struct hwloc_obj *o)
{
    return o->type == HWLOC_OBJ_BRIDGE &&
           o->attr->bridge.upstream_type == HWLOC_OBJ_BRIDGE_HOST;
}

static Aolani__PciNode *pcis_make(void)
{
    Aolani__PciNode *p = malloc(sizeof *p);
    if (p)
        aolani__pci_node__init(p);
    return p;
}

/* *ret: 1 + its index. Takes p, also on failure. */
static int pcis_push(struct walk *w, Aolani__PciNode *p, uint32_t *ret)
{
    int rc = msg_push(&w->t->pci, &w->t->n_pci, p);
    if (rc < 0)
        aolani__pci_node__free_unpacked(p, NULL);
    else
        *ret = (uint32_t)w->t->n_pci;
    return rc;
}

static int pcis_push_host(struct walk *w, struct hwloc_obj *o, unsigned domain,
                          unsigned bus, uint32_t *ret)
{
    Aolani__PciNode *p = pcis_make();
    if (!p)
        return -ENOMEM;
    p->kind = AOLANI__PCI_NODE__KIND__HOST_BRIDGE;
    if (msg_format(&p->bus_id, "%04x:%02x", domain, bus) < 0 ||
        walk_place(w, o, &p->cpus, &p->numa, &p->n_numa, &p->located) < 0) {
        aolani__pci_node__free_unpacked(p, NULL);
        return -ENOMEM;
    }
    return pcis_push(w, p, ret);
}

/* hwloc gives the link as GB/s, whatever made it so. */
static uint64_t pcis_mbytes(const struct hwloc_obj *o)
{
    float speed = o->attr->pcidev.linkspeed;
    return speed > 0 && speed < 1e6F ? (uint64_t)(speed * 1000 + 0.5F) : 0;
}

static int pcis_push_device(struct walk *w, struct hwloc_obj *o, uint32_t parent,
                            uint32_t *ret)
{
    const struct hwloc_pcidev_attr_s *a = &o->attr->pcidev; /* of a bridge: upstream */
    Aolani__PciNode *p = pcis_make();
    if (!p)
        return -ENOMEM;
    p->kind = o->type == HWLOC_OBJ_BRIDGE ? AOLANI__PCI_NODE__KIND__BRIDGE
                                          : AOLANI__PCI_NODE__KIND__DEVICE;
    p->parent = parent;
    p->class_id = a->class_id;
    p->vendor = a->vendor_id;
    p->device = a->device_id;
    p->subsystem = (uint32_t)a->subvendor_id << 16 | a->subdevice_id;
    p->link = malloc(sizeof *p->link);
    if (p->link)
        aolani__pci_link__init(p->link);
    if (!p->link || msg_format(&p->bus_id, "%04x:%02x:%02x.%x", a->domain, a->bus,
                               a->dev, a->func) < 0) {
        aolani__pci_node__free_unpacked(p, NULL);
        return -ENOMEM;
    }
    uint64_t port = pcis_is_io(o->parent) && !pcis_is_host_bridge(o->parent)
                        ? pcis_mbytes(o->parent)
                        : 0;
    p->link->now_mbytes = pcis_mbytes(o);
    if (p->link->now_mbytes && port && port < p->link->now_mbytes)
        p->link->now_mbytes = port;
    return pcis_push(w, p, ret);
}

/* One object whose parent is in the list already. Where bridges are not in the topology
 * each device has a host bridge of its own: nothing is claimed of what they share. */
static int pcis_add_one(struct walk *w, struct hwloc_obj *o)
{
    uint32_t parent = 0, at = 0;
    int rc = 0;
    if (pcis_is_host_bridge(o)) {
        rc = pcis_push_host(w, o, o->attr->bridge.downstream.pci.domain,
                            o->attr->bridge.downstream.pci.secondary_bus, &at);
    } else {
        if (pcis_is_io(o->parent))
            parent = (uint32_t)(uintptr_t)o->parent->userdata;
        else
            rc = pcis_push_host(w, o, o->attr->pcidev.domain, o->attr->pcidev.bus,
                                &parent);
        rc = rc < 0 ? rc : pcis_push_device(w, o, parent, &at);
    }
    if (rc == 0)
        o->userdata = (void *)(uintptr_t)at;
    return rc;
}

int walk_add_pci(struct walk *w, struct hwloc_obj *device, uint32_t *ret)
{
    struct hwloc_obj *missing[PCIS_DEPTH];
    size_t n = 0;
    int rc = 0;
    *ret = 0;
    for (struct hwloc_obj *o = device; pcis_is_io(o) && !o->userdata; o = o->parent) {
        if (n == PCIS_DEPTH)
            return msg_note(w->t,
                            "a PCI device lies below more than %d bridges: it is "
                            "left out of the tree",
                            PCIS_DEPTH);
        missing[n++] = o;
    }
    /* Room for a host bridge too. */
    if (msg_is_full(w->t, w->t->n_pci + n, LIMIT_PCI - 1, "PCI devices", &rc))
        return rc;
    while (rc == 0 && n > 0)
        rc = pcis_add_one(w, missing[--n]);
    if (rc == 0)
        *ret = (uint32_t)(uintptr_t)device->userdata;
    return rc;
}

bool walk_is_under_pci(const struct hwloc_obj *osdev)
{
    const struct hwloc_obj *o = osdev->parent;
    while (o && o->type == HWLOC_OBJ_OS_DEVICE)
        o = o->parent;
    return pcis_is_io(o);
}

/* ---- all of them ---- */

static int pcis_note_unlocated(struct walk *w)
{
    for (size_t i = 0; i < w->t->n_pci; i++) {
        const Aolani__PciNode *p = w->t->pci[i];
        if (p->kind == AOLANI__PCI_NODE__KIND__HOST_BRIDGE && !p->located)
            return msg_note(w->t,
                            "the firmware does not say near which NUMA node the "
                            "devices of PCI bus %s are",
                            p->bus_id);
    }
    return 0;
}

static int pcis_note_absence(struct walk *w)
{
    if (hwloc_get_next_bridge(w->hw, NULL) || hwloc_get_next_pcidev(w->hw, NULL) ||
        hwloc_get_next_osdev(w->hw, NULL))
        return 0;
    if (w->live)
        return msg_note(w->t, "no PCI device is to be seen here");
    return msg_note(w->t,
                    "there are no devices in this topology: GPUs and NICs are not "
                    "known (lstopo writes them unless --no-io is given)");
}

int walk_devices(struct walk *w)
{
    int rc = pcis_note_absence(w);
    for (hwloc_obj_t o = NULL; rc == 0 && (o = hwloc_get_next_pcidev(w->hw, o));) {
        rc = walk_add_gpus(w, o);
        if (rc == 0 && !walk_is_virtual_nic(o))
            rc = walk_add_nics(w, o);
    }
    /* Behind: cards can have hundreds of them, which shall leave room for the cards. */
    for (hwloc_obj_t o = NULL; rc == 0 && (o = hwloc_get_next_pcidev(w->hw, o));) {
        if (walk_is_virtual_nic(o))
            rc = walk_add_nics(w, o);
    }
    for (hwloc_obj_t o = NULL; rc == 0 && (o = hwloc_get_next_osdev(w->hw, o));) {
        if (walk_is_under_pci(o))
            continue;
        rc = walk_add_lone_gpu(w, o);
        if (rc == 0)
            rc = walk_add_lone_nic(w, o);
    }
    return rc < 0 ? rc : pcis_note_unlocated(w);
}
