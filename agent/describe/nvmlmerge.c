/* SPDX-License-Identifier: MIT */
/* nvmlmerge.c - see nvmlmerge.h. GPUs are matched by bus id as a number: NVML writes eight
 * digits of the domain, the kernel four or more. The list of NVML wins: it holds what this
 * process may use, in the order that everybody counts in; the bus also shows what a cgroup,
 * a container or a fault keeps from it. */
#include "agent/describe/nvmlmerge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/describe/gpulist.h"
#include "agent/describe/msg.h"
#include "proto/base/buf.h"

static const Aolani__Gpu *find_gpu(const Aolani__Topology *t, int64_t bus)
{
    for (size_t i = 0; bus >= 0 && i < t->n_gpus; i++)
        if (gpulist_bus(t->gpus[i]->bus_id) == bus)
            return t->gpus[i];
    return NULL;
}

static size_t find_pci(const Aolani__Topology *t, int64_t bus)
{
    for (size_t i = 0; bus >= 0 && i < t->n_pci; i++)
        if (t->pci[i]->kind == AOLANI__PCI_NODE__KIND__DEVICE &&
            gpulist_bus(t->pci[i]->bus_id) == bus)
            return i + 1;
    return 0;
}

/* The place of a function: its own, else that of the nearest bridge that has one. */
static int place_of_pci(Aolani__Gpu *g, const Aolani__Topology *t, size_t pci)
{
    g->pci = (uint32_t)pci;
    const Aolani__PciNode *p = t->pci[pci - 1];
    while (!p->located && p->n_numa == 0 && *p->cpus == '\0' && p->parent > 0 &&
           p->parent < pci) {
        pci = p->parent; /* parents come first: this ends */
        p = t->pci[pci - 1];
    }
    if (p->n_numa > 0) {
        g->numa = malloc(p->n_numa * sizeof *g->numa);
        if (!g->numa)
            return -ENOMEM;
        memcpy(g->numa, p->numa, p->n_numa * sizeof *g->numa);
        g->n_numa = p->n_numa;
    }
    g->located = p->located;
    return msg_format(&g->cpus, "%s", p->cpus);
}

static int place(Aolani__Gpu *g, const Aolani__Topology *t)
{
    int64_t bus = gpulist_bus(g->bus_id);
    const Aolani__Gpu *known = find_gpu(t, bus);
    if (!known) {
        size_t pci = find_pci(t, bus);
        return pci > 0 ? place_of_pci(g, t, pci) : 0;
    }
    if (*g->model == '\0' && msg_text(&g->model, known->model) < 0)
        return -ENOMEM;
    if (g->mem_bytes == 0 && g->partition == 0)
        g->mem_bytes = known->mem_bytes;
    if (g->mem_numa < 0)
        g->mem_numa = known->mem_numa;
    return gpulist_copy_place(g, known);
}

/* On the bus, and NVML has not said a word of it. */
static bool is_unseen(const Aolani__Gpu *g, const Aolani__Topology *seen)
{
    int64_t bus = gpulist_bus(g->bus_id);
    if (!gpulist_is_of(g, GPULIST_NVIDIA) || find_gpu(seen, bus))
        return false;
    for (size_t i = 0; i < seen->n_pci; i++)
        if (gpulist_bus(seen->pci[i]->bus_id) == bus)
            return false;
    return true;
}

static int note_unseen(Aolani__Topology *seen, const Aolani__Topology *t)
{
    struct buf names;
    buf_init(&names, 8192);
    unsigned n = 0;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < t->n_gpus; i++)
        if (is_unseen(t->gpus[i], seen))
            rc = buf_printf(&names, "%s%s", n++ > 0 ? ", " : "", t->gpus[i]->bus_id);
    if (rc == 0 && n > 0)
        rc = msg_note(seen,
                      "%u NVIDIA GPU%s on the bus %s left out, since the driver does "
                      "not show %s to this process (a cgroup, a container, another "
                      "driver, or a fault): %s",
                      n, n == 1 ? "" : "s", n == 1 ? "is" : "are",
                      n == 1 ? "it" : "them", (char *)names.data);
    buf_fini(&names);
    return rc;
}

static int merge_notes(Aolani__Topology *t, const Aolani__Topology *seen)
{
    for (size_t i = 0; i < seen->n_notes; i++)
        if (msg_note(t, "%s", seen->notes[i]) < 0)
            return -ENOMEM;
    return 0;
}

/* GPUs of others stay, behind. */
static int merge_gpus(Aolani__Topology *t, Aolani__Topology *seen)
{
    size_t others = t->n_gpus - gpulist_count(t, GPULIST_NVIDIA);
    Aolani__Gpu **all = malloc((seen->n_gpus + others + 1) * sizeof *all);
    if (!all)
        return -ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < seen->n_gpus; i++)
        all[n++] = seen->gpus[i];
    seen->n_gpus = 0;
    for (size_t i = 0; i < t->n_gpus; i++)
        if (gpulist_is_of(t->gpus[i], GPULIST_NVIDIA))
            aolani__gpu__free_unpacked(t->gpus[i], NULL);
        else
            all[n++] = t->gpus[i];
    free(t->gpus);
    t->gpus = all;
    t->n_gpus = n;
    return 0;
}

int nvmlmerge(Aolani__Topology *t, Aolani__Topology *seen, struct err *e)
{
    if (*seen->error != '\0') {
        /* A machine without such GPUs is not worse for having no such library. */
        if (gpulist_count(t, GPULIST_NVIDIA) > 0 &&
            msg_note(t,
                     "%s; UUIDs and NVIDIA's own order of the GPUs are not "
                     "known%s%s",
                     seen->error, *seen->hint ? ": " : "", seen->hint) < 0)
            goto no_memory;
        return 0;
    }
    for (size_t i = 0; i < seen->n_gpus; i++)
        if (place(seen->gpus[i], t) < 0)
            goto no_memory;
    if (note_unseen(seen, t) < 0 ||
        (*seen->gpu_driver && msg_text(&t->gpu_driver, seen->gpu_driver) < 0) ||
        merge_notes(t, seen) < 0 || merge_gpus(t, seen) < 0)
        goto no_memory;
    return 0;
no_memory:
    return err_sys(e, -ENOMEM, "cannot describe this node's GPUs");
}
