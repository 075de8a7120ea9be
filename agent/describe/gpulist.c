/* SPDX-License-Identifier: MIT */
/* gpulist.c - see gpulist.h. */
#include "agent/describe/gpulist.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/describe/msg.h"
#include "proto/wire/busid.h"

int gpulist_add(Aolani__Topology *t, const char *vendor, Aolani__Gpu **ret)
{
    Aolani__Gpu *g = malloc(sizeof *g);
    if (!g)
        return -ENOMEM;
    aolani__gpu__init(g);
    g->nvml_index = g->mem_numa = -1;
    if (msg_text(&g->vendor, vendor) < 0 || msg_push(&t->gpus, &t->n_gpus, g) < 0) {
        aolani__gpu__free_unpacked(g, NULL);
        return -ENOMEM;
    }
    *ret = g;
    return 0;
}

unsigned gpulist_keep(Aolani__Topology *t, const bool *keep)
{
    size_t kept = 0, n = t->n_gpus;
    for (size_t i = 0; i < n; i++) {
        if (keep[i])
            t->gpus[kept++] = t->gpus[i];
        else
            aolani__gpu__free_unpacked(t->gpus[i], NULL);
    }
    t->n_gpus = kept;
    return (unsigned)(n - kept);
}

int gpulist_copy_place(Aolani__Gpu *to, const Aolani__Gpu *from)
{
    uint32_t *numa = NULL;
    size_t n = 0;
    for (size_t i = 0; i < from->n_numa; i++)
        if (msg_push_u32(&numa, &n, from->numa[i]) < 0) {
            free(numa);
            return -ENOMEM;
        }
    free(to->numa);
    to->numa = numa;
    to->n_numa = n;
    to->pci = from->pci;
    to->located = from->located;
    return msg_format(&to->cpus, "%s", from->cpus) < 0 ||
                   msg_text(&to->bus_id, from->bus_id) < 0 ||
                   msg_text(&to->osdev, from->osdev) < 0
               ? -ENOMEM
               : 0;
}

bool gpulist_is_of(const Aolani__Gpu *g, const char *vendor)
{
    return strcmp(g->vendor, vendor) == 0;
}

unsigned gpulist_count(const Aolani__Topology *t, const char *vendor)
{
    unsigned n = 0;
    for (size_t i = 0; i < t->n_gpus; i++)
        n += gpulist_is_of(t->gpus[i], vendor);
    return n;
}

int64_t gpulist_bus(const char *bus_id)
{
    uint64_t bus;
    return busid_read(bus_id, &bus) ? (int64_t)bus : -1;
}
