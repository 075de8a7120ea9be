/* SPDX-License-Identifier: MIT */
/* nicfacts.c - see nicfacts.h. */
#include "agent/describe/nicfacts.h"

#include "agent/describe/msg.h"
#include "agent/describe/sysfs.h"
#include "proto/wire/busid.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NICFACTS_PORTS = 16 };
typedef Aolani__Nic__Kind nicfacts_kind;

uint32_t nicfacts_state(const char *text)
{
    unsigned long n = strtoul(text, NULL, 10);
    return n == 5 ? 4 : n <= 4 ? (uint32_t)n : 0;
}

bool nicfacts_is_virtual(uint16_t vendor, uint16_t device)
{
    static const uint16_t mellanox[] = {0x1004, 0x1014, 0x1016, 0x1018,
                                        0x101a, 0x101c, 0x101e, 0xa2d3};
    for (size_t i = 0; vendor == 0x15b3 && i < sizeof mellanox / sizeof *mellanox;
         i++) {
        if (mellanox[i] == device)
            return true;
    }
    return false;
}

Aolani__NicPort *nicfacts_add_port(Aolani__Nic *nic, uint32_t number)
{
    Aolani__NicPort *port = malloc(sizeof *port);
    if (!port)
        return NULL;
    aolani__nic_port__init(port);
    port->number = number;
    if (msg_push(&nic->ports, &nic->n_ports, port) < 0) {
        free(port);
        return NULL;
    }
    return port;
}

/* ---- kind ---- */

static const char *nicfacts_layer(const Aolani__Nic *nic)
{
    for (size_t i = 0; i < nic->n_ports; i++) {
        if (*nic->ports[i]->layer)
            return nic->ports[i]->layer;
    }
    return "";
}

/* Some are RDMA devices of neither kind: Omni-Path, iWARP, software. */
static nicfacts_kind nicfacts_rdma_kind(uint16_t vendor, uint16_t class_id,
                                        const char *layer)
{
    switch (vendor) {
    case 0x1d0f: /* Amazon */
        return AOLANI__NIC__KIND__EFA;
    case 0x17db:
        return AOLANI__NIC__KIND__SLINGSHOT;
    case 0x0000: /* not on PCI: rxe, siw */
    case 0x1137: /* usNIC */
    case 0x1425: /* iWARP */
        return AOLANI__NIC__KIND__OTHER_RDMA;
    default:
        break;
    }
    if (class_id == 0x0208) /* Omni-Path, which calls its link InfiniBand */
        return AOLANI__NIC__KIND__OTHER_RDMA;
    if (strcmp(layer, "InfiniBand") == 0)
        return AOLANI__NIC__KIND__INFINIBAND;
    return strcmp(layer, "Ethernet") == 0 ? AOLANI__NIC__KIND__ROCE
                                          : AOLANI__NIC__KIND__OTHER_RDMA;
}

/* What the class of the function says; it changes with the port's configuration. */
static const char *nicfacts_class_layer(uint16_t vendor, uint16_t class_id, bool rdma)
{
    if (class_id == 0x0207 || class_id == 0x0c06)
        return "InfiniBand";
    if (vendor == 0x1d0f && rdma)
        return "";
    return class_id == 0x0200 || !rdma ? "Ethernet" : "";
}

int nicfacts_classify(Aolani__Nic *nic, uint16_t vendor, uint16_t class_id, bool rdma)
{
    if (nic->n_ports == 0 && !nicfacts_add_port(nic, 1))
        return -ENOMEM;
    const char *layer = nicfacts_layer(nic);
    if (!*layer)
        layer = nicfacts_class_layer(vendor, class_id, rdma);
    if (rdma || vendor == 0x17db)
        nic->kind = nicfacts_rdma_kind(vendor, class_id, layer);
    else
        nic->kind = AOLANI__NIC__KIND__ETHERNET;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < nic->n_ports; i++) {
        if (!*nic->ports[i]->layer)
            rc = msg_text(&nic->ports[i]->layer, layer);
    }
    return rc;
}

/* ---- ports of an RDMA device, as the kernel says ---- */

static Aolani__NicPort *nicfacts_port(Aolani__Nic *nic, uint32_t number)
{
    for (size_t i = 0; i < nic->n_ports; i++) {
        if (nic->ports[i]->number == number)
            return nic->ports[i];
    }
    return nic->n_ports < NICFACTS_PORTS ? nicfacts_add_port(nic, number) : NULL;
}

static int nicfacts_read_port(const char *dir, Aolani__NicPort *port)
{
    char text[64];
    if (sysfs_read(dir, "state", text, sizeof text))
        port->state = nicfacts_state(text);
    if (sysfs_read(dir, "rate", text, sizeof text))
        port->rate_mbits = sysfs_speed(text);
    return sysfs_read(dir, "link_layer", text, sizeof text)
               ? msg_text(&port->layer, text)
               : 0;
}

static int nicfacts_compare_ports(const void *x, const void *y)
{
    const Aolani__NicPort *a = *(Aolani__NicPort *const *)x;
    const Aolani__NicPort *b = *(Aolani__NicPort *const *)y;
    return a->number < b->number ? -1 : a->number > b->number;
}

static int nicfacts_read_ports(const char *dir, Aolani__Nic *nic)
{
    char path[SYSFS_PATH];
    int rc = 0;
    sysfs_path(path, "%s/ports", dir);
    DIR *d = opendir(path);
    for (struct dirent *x; d && rc == 0 && (x = readdir(d));) {
        unsigned long number = strtoul(x->d_name, NULL, 10);
        Aolani__NicPort *port =
            number > 0 && number <= 255 ? nicfacts_port(nic, (uint32_t)number) : NULL;
        sysfs_path(path, "%s/ports/%lu", dir, number);
        if (port)
            rc = nicfacts_read_port(path, port);
    }
    if (d)
        closedir(d);
    qsort(nic->ports, nic->n_ports, sizeof *nic->ports, nicfacts_compare_ports);
    return rc;
}

static int nicfacts_read_rdma(const char *dir, Aolani__Nic *nic)
{
    char text[64];
    int rc = nicfacts_read_ports(dir, nic);
    if (rc == 0 && sysfs_read(dir, "node_guid", text, sizeof text))
        rc = msg_text(&nic->node_guid, text);
    if (rc == 0 && sysfs_read(dir, "sys_image_guid", text, sizeof text))
        rc = msg_text(&nic->system_guid, text);
    return rc;
}

/* Of a network interface: the speed is in Mbit/s, -1 when it is down. */
static void nicfacts_read_interface(const char *dir, Aolani__NicPort *port)
{
    char text[64];
    if (sysfs_read(dir, "operstate", text, sizeof text))
        port->state = strcmp(text, "up") == 0 ? 4 : strcmp(text, "down") == 0 ? 1 : 0;
    if (sysfs_read(dir, "speed", text, sizeof text)) {
        long mbits = strtol(text, NULL, 10);
        port->rate_mbits = mbits > 0 ? (uint64_t)mbits : 0;
    }
}

/* RDMA in software over an interface (rxe), which stands on the card below that and is
 * none: the driver alone names what it is over. */
static bool nicfacts_is_software(const char *dir)
{
    char text[64];
    return sysfs_read(dir, "parent", text, sizeof text);
}

static int nicfacts_read_one(const char *sysfs, const Aolani__Topology *t,
                             Aolani__Nic *nic)
{
    const Aolani__PciNode *p = nic->pci ? t->pci[nic->pci - 1] : NULL;
    char dir[SYSFS_PATH], text[64];
    bool interface = nic->kind == AOLANI__NIC__KIND__ETHERNET ||
                     nic->kind == AOLANI__NIC__KIND__SLINGSHOT;
    if (strchr(nic->name, '/'))
        return 0;
    if (p) {
        sysfs_path(dir, "%s/bus/pci/devices/%s", sysfs, nic->bus_id);
        if (sysfs_read_link(dir, "physfn", text, sizeof text))
            nic->virtual_function = 1;
    }
    if (interface) {
        sysfs_path(dir, "%s/class/net/%s", sysfs, nic->name);
        nicfacts_read_interface(dir, nic->ports[0]);
        return 0;
    }
    sysfs_path(dir, "%s/class/infiniband/%s", sysfs, nic->name);
    int rc = nicfacts_read_rdma(dir, nic);
    /* The port's own word on its link layer may be another than the class's. */
    bool card = p && !nicfacts_is_software(dir);
    return rc < 0 ? rc
                  : nicfacts_classify(nic, card ? (uint16_t)p->vendor : 0,
                                      card ? (uint16_t)p->class_id : 0, true);
}

int nicfacts_read_sysfs(const char *sysfs, Aolani__Topology *t)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < t->n_nics; i++)
        rc = nicfacts_read_one(sysfs, t, t->nics[i]);
    return rc;
}

/* ---- order ---- */

static int nicfacts_compare(const void *x, const void *y)
{
    const Aolani__Nic *a = *(Aolani__Nic *const *)x, *b = *(Aolani__Nic *const *)y;
    uint64_t i, k;
    if (!busid_read(a->bus_id, &i))
        i = UINT64_MAX;
    if (!busid_read(b->bus_id, &k))
        k = UINT64_MAX;
    return i != k ? (i < k ? -1 : 1) : strverscmp(a->name, b->name);
}

void nicfacts_sort(Aolani__Topology *t)
{
    if (t->n_nics > 1)
        qsort(t->nics, t->n_nics, sizeof *t->nics, nicfacts_compare);
}
