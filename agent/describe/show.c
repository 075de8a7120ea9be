/* SPDX-License-Identifier: MIT */
/* show.c - see show.h. */
#include "agent/describe/show.h"

#include "proto/base/size.h"

#include <errno.h>
#include <string.h>

static int show_set(const char *cpus, protobuf_c_boolean located, const uint32_t *numa,
                    size_t n_numa, struct buf *out)
{
    if (!located)
        return buf_printf(out, "  somewhere");
    int rc = buf_printf(out, "  CPUs %s", *cpus ? cpus : "none");
    for (size_t i = 0; rc == 0 && i < n_numa; i++)
        rc = buf_printf(out, "%s%u", i == 0 ? "  NUMA node " : ",", numa[i]);
    return rc;
}

static int show_processors(const Aolani__Topology *t, struct buf *out)
{
    int rc =
        buf_printf(out, "CPUs       %s  in %zu cores, %zu packages, %zu L3 caches\n",
                   t->allowed_cpus, t->n_cores, t->n_packages, t->n_l3);
    for (size_t i = 0; rc == 0 && i < t->n_numa; i++) {
        const Aolani__NumaNode *n = t->numa[i];
        char mem[SIZE_TEXT];
        rc = buf_printf(out, "NUMA node  %u  CPUs %s  %s%s\n", n->os_index,
                        *n->cpus ? n->cpus : "none", size_text(n->mem_bytes, mem),
                        n->of_gpu ? "  memory of a GPU" : "");
    }
    return rc;
}

static int show_link(const Aolani__PciLink *l, struct buf *out)
{
    if (!l)
        return 0;
    if (l->now_mts)
        return buf_printf(out, "  %u.%u GT/s x%u of %u.%u x%u", l->now_mts / 1000,
                          l->now_mts % 1000 / 100, l->now_width, l->max_mts / 1000,
                          l->max_mts % 1000 / 100, l->max_width);
    return l->now_mbytes
               ? buf_printf(out, "  %llu MB/s", (unsigned long long)l->now_mbytes)
               : 0;
}

static int show_pci(const Aolani__Topology *t, struct buf *out)
{
    static const char *const kinds[] = {"root", "bridge", "device"};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < t->n_pci; i++) {
        const Aolani__PciNode *p = t->pci[i];
        int depth = 0;
        for (size_t at = i; t->pci[at]->parent; at = t->pci[at]->parent - 1)
            depth++;
        rc = buf_printf(out, "PCI        %*s%s %s", 2 * depth, "", kinds[p->kind % 3],
                        p->bus_id);
        if (rc == 0 && p->kind != AOLANI__PCI_NODE__KIND__HOST_BRIDGE)
            rc =
                buf_printf(out, " %04x [%04x:%04x]", p->class_id, p->vendor, p->device);
        else if (rc == 0)
            rc = show_set(p->cpus, p->located, p->numa, p->n_numa, out);
        if (rc == 0)
            rc = show_link(p->link, out);
        rc = rc < 0 ? rc : buf_printf(out, "\n");
    }
    return rc;
}

static int show_gpu(const Aolani__Gpu *g, size_t index, struct buf *out)
{
    int rc =
        buf_printf(out, "GPU %-6zu %s %s", index, *g->bus_id ? g->bus_id : "not on PCI",
                   *g->model ? g->model : g->vendor);
    if (rc == 0 && *g->osdev)
        rc = buf_printf(out, "  %s", g->osdev);
    if (rc == 0 && *g->uuid)
        rc = buf_printf(out, "  %s", g->uuid);
    if (rc == 0 && g->partition)
        rc = buf_printf(out, "  part %u", g->partition);
    if (rc == 0)
        rc = show_set(g->cpus, g->located, g->numa, g->n_numa, out);
    if (rc == 0 && g->mem_numa >= 0)
        rc = buf_printf(out, "  its memory is NUMA node %d", g->mem_numa);
    return rc < 0 ? rc : buf_printf(out, "\n");
}

static int show_ports(const Aolani__Nic *n, struct buf *out)
{
    static const char *const states[] = {"not known", "down", "initializing", "armed",
                                         "up"};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n->n_ports; i++) {
        const Aolani__NicPort *p = n->ports[i];
        rc = buf_printf(out, "  port %u %s", p->number, states[p->state % 5]);
        if (rc == 0 && p->rate_mbits)
            rc = buf_printf(out, " %llu Gbit/s",
                            (unsigned long long)p->rate_mbits / 1000);
    }
    return rc;
}

static int show_nic(const Aolani__Nic *n, struct buf *out)
{
    static const char *const kinds[] = {"Ethernet", "InfiniBand", "RoCE",
                                        "EFA",      "Slingshot",  "RDMA"};
    int rc = buf_printf(out, "NIC        %s %s %s%s", n->name,
                        *n->bus_id ? n->bus_id : "not on PCI", kinds[n->kind % 6],
                        n->virtual_function ? " virtual function" : "");
    if (rc == 0)
        rc = show_ports(n, out);
    if (rc == 0)
        rc = show_set(n->cpus, n->located, n->numa, n->n_numa, out);
    return rc < 0 ? rc : buf_printf(out, "\n");
}

int show_topology(const Aolani__Topology *t, struct buf *out)
{
    int rc = buf_printf(out, "source     %s\n", t->source);
    if (rc == 0 && *t->error)
        rc = buf_printf(out, "error      %s\n", t->error);
    if (rc == 0 && *t->hint)
        rc = buf_printf(out, "hint       %s\n", t->hint);
    if (rc == 0 && *t->product)
        rc = buf_printf(out, "machine    %s\n", t->product);
    if (rc == 0 && *t->gpu_driver)
        rc = buf_printf(out, "driver     %s\n", t->gpu_driver);
    if (rc == 0 && t->n_cores)
        rc = show_processors(t, out);
    if (rc == 0)
        rc = show_pci(t, out);
    for (size_t i = 0; rc == 0 && i < t->n_gpus; i++)
        rc = show_gpu(t->gpus[i], i, out);
    for (size_t i = 0; rc == 0 && i < t->n_nics; i++)
        rc = show_nic(t->nics[i], out);
    for (size_t i = 0; rc == 0 && i < t->n_notes; i++)
        rc = buf_printf(out, "note       %s\n", t->notes[i]);
    return rc;
}
