/* SPDX-License-Identifier: MIT */
/* gpus.c - which devices are GPUs, and how many a PCI function stands for. See walk.h.
 *
 * A GPU is a display or accelerator function of a vendor whose GPUs compute, or whatever a
 * compute driver's own hwloc object (cuda0, nvml0, rsmi0, opencl0d0) sits on. So a BMC's
 * VGA, which has a DRM object too, is none, and NVSwitches (class 0680) are none.
 */
#include "agent/describe/walk.h"

#include "agent/describe/msg.h"
#include "proto/base/limits.h"

#include <errno.h>
#include <hwloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The drivers whose objects number the GPUs; the first that is there decides. */
enum gpus_api { GPUS_NVML, GPUS_CUDA, GPUS_RSMI, GPUS_ZE, GPUS_OPENCL, GPUS_APIS };
static const char *const gpus_names[] = {"nvml%u%n", "cuda%u%n", "rsmi%u%n", "ze%u%n"};

enum { GPUS_ON_ONE = 64 }; /* of one function; a partitioned APU has eight */

struct gpus_found {
    struct {
        hwloc_obj_t obj[GPUS_ON_ONE];
        unsigned index[GPUS_ON_ONE];
        size_t n;
    } by[GPUS_APIS];
};

/* "cuda3": GPUS_CUDA, 3. Of OpenCL's platforms the first alone counts: others show the
 * same devices again. */
static int gpus_read_name(const char *name, unsigned *index)
{
    unsigned platform;
    int end = 0;
    for (int api = 0; api < GPUS_OPENCL; api++) {
        if (sscanf(name, gpus_names[api], index, &end) == 1 && name[end] == '\0')
            return api;
    }
    if (sscanf(name, "opencl%ud%u%n", &platform, index, &end) == 2 && name[end] == '\0')
        return GPUS_OPENCL;
    return -1;
}

static unsigned gpus_platform(hwloc_obj_t o)
{
    unsigned platform = 0;
    (void)sscanf(o->name, "opencl%u", &platform);
    return platform;
}

static bool gpus_has_type(hwloc_obj_t o, const char *type)
{
    const char *is = hwloc_obj_get_info_by_name(o, "OpenCLDeviceType");
    return !is || strcmp(is, type) == 0;
}

static void gpus_find(hwloc_obj_t device, struct gpus_found *ret)
{
    memset(ret, 0, sizeof *ret);
    for (hwloc_obj_t o = device->io_first_child; o; o = o->next_sibling) {
        unsigned index;
        int api = o->type == HWLOC_OBJ_OS_DEVICE && o->name
                      ? gpus_read_name(o->name, &index)
                      : -1;
        if (api < 0 || ret->by[api].n == GPUS_ON_ONE ||
            (api == GPUS_OPENCL && !gpus_has_type(o, "GPU")))
            continue;
        size_t n = ret->by[api].n;
        if (api == GPUS_OPENCL && n > 0 &&
            gpus_platform(ret->by[api].obj[0]) != gpus_platform(o))
            continue;
        while (n > 0 && ret->by[api].index[n - 1] > index) { /* by index */
            ret->by[api].obj[n] = ret->by[api].obj[n - 1];
            ret->by[api].index[n] = ret->by[api].index[n - 1];
            n--;
        }
        ret->by[api].obj[n] = o;
        ret->by[api].index[n] = index;
        ret->by[api].n++;
    }
}

/* The driver that numbers them; GPUS_APIS: none is there. */
static enum gpus_api gpus_lead(const struct gpus_found *f)
{
    enum gpus_api api = 0;
    while (api < GPUS_APIS && f->by[api].n == 0)
        api++;
    return api;
}

/* By the PCI function alone. Intel's processors have graphics of class 0300 that nobody
 * computes on. */
static bool gpus_is_class(const struct hwloc_pcidev_attr_s *a)
{
    switch (a->vendor_id) {
    case 0x10de:
        return a->class_id == 0x0300 || a->class_id == 0x0302 || a->class_id == 0x0380;
    case 0x1002:
        return a->class_id == 0x0300 || a->class_id == 0x0302 ||
               a->class_id == 0x0380 || a->class_id == 0x1200;
    case 0x8086:
        return a->class_id == 0x0302 || a->class_id == 0x0380 || a->class_id == 0x1200;
    case 0: /* a copy that has left the vendor out */
        return a->class_id == 0x0300 || a->class_id == 0x0302;
    default:
        return false;
    }
}

/* ---- what is known of one ---- */

static const char *gpus_vendor(unsigned pci, const char *said, enum gpus_api lead)
{
    if (pci == 0x10de || lead <= GPUS_CUDA ||
        (said && strncasecmp(said, "NVIDIA", 6) == 0))
        return "NVIDIA";
    if (pci == 0x1002 || lead == GPUS_RSMI ||
        (said &&
         (strncmp(said, "AMD", 3) == 0 || strncmp(said, "Advanced Micro", 14) == 0)))
        return "AMD";
    if (pci == 0x8086 || lead == GPUS_ZE || (said && strncmp(said, "Intel", 5) == 0))
        return "Intel";
    return said ? said : "";
}

/* ROCm names a GPU "GPU-" and its number, which rocm_smi gives without. */
static int gpus_set_uuid(Aolani__Gpu *g, const char *nvidia, const char *amd)
{
    if (nvidia)
        return msg_text(&g->uuid, nvidia);
    if (!amd || strspn(amd, "0") == strlen(amd))
        return 0;
    return msg_format(&g->uuid, "%s%.64s", strncmp(amd, "GPU-", 4) == 0 ? "" : "GPU-",
                      amd);
}

static uint64_t gpus_memory(hwloc_obj_t o)
{
    static const char *const names[] = {"CUDAGlobalMemorySize", "RSMIVRAMSize",
                                        "LevelZeroHBMSize", "LevelZeroDDRSize",
                                        "OpenCLGlobalMemorySize"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *text = hwloc_obj_get_info_by_name(o, names[i]);
        uint64_t kib = text ? strtoull(text, NULL, 10) : 0;
        if (kib > 0 && kib < UINT64_MAX / 1024)
            return kib * 1024;
    }
    return 0;
}

/* What the object of one driver says, where nothing better is known yet. */
static int gpus_read_object(Aolani__Gpu *g, hwloc_obj_t o)
{
    const char *model = hwloc_obj_get_info_by_name(o, "GPUModel");
    int rc = 0;
    if (!*g->uuid)
        rc = gpus_set_uuid(g, hwloc_obj_get_info_by_name(o, "NVIDIAUUID"),
                           hwloc_obj_get_info_by_name(o, "AMDUUID"));
    if (rc == 0 && !*g->model && model)
        rc = msg_text(&g->model, model);
    if (g->mem_bytes == 0)
        g->mem_bytes = gpus_memory(o);
    return rc;
}

/* The NUMA node that is its memory, on machines that show it so. */
static int32_t gpus_memory_node(struct walk *w, const char *bus_id)
{
    for (hwloc_obj_t o = NULL;
         *bus_id && (o = hwloc_get_next_obj_by_type(w->hw, HWLOC_OBJ_NUMANODE, o));) {
        const char *of = hwloc_obj_get_info_by_name(o, "PCIBusID");
        if (of && strcasecmp(of, bus_id) == 0 && o->subtype &&
            strcmp(o->subtype, "GPUMemory") == 0)
            return (int32_t)o->os_index;
    }
    return -1;
}

/* ---- one device, and the GPUs that it is ---- */

struct gpus_device {
    hwloc_obj_t at;
    uint32_t pci; /* 1 + index; 0: not on PCI */
    unsigned vendor;
    struct gpus_found found;
    enum gpus_api lead;
    size_t n; /* GPUs that it is */
};

/* The i-th. Its name is CUDA's, which people know, where CUDA counts them alike. */
static int gpus_read_objects(const struct gpus_device *d, size_t i, Aolani__Gpu *g)
{
    const char *name = NULL, *said = NULL;
    int rc = 0;
    for (int api = 0; rc == 0 && api < GPUS_APIS; api++) {
        if (d->found.by[api].n != d->n)
            continue;
        hwloc_obj_t o = d->found.by[api].obj[i];
        rc = gpus_read_object(g, o);
        said = said ? said : hwloc_obj_get_info_by_name(o, "GPUVendor");
        if (!name || api == GPUS_CUDA)
            name = o->name;
    }
    if (d->lead == GPUS_NVML)
        g->nvml_index = (int32_t)(d->found.by[GPUS_NVML].index[i] & INT32_MAX);
    if (rc == 0 && name)
        rc = msg_text(&g->osdev, name);
    return rc < 0 ? rc : msg_text(&g->vendor, gpus_vendor(d->vendor, said, d->lead));
}

static int gpus_fill(struct walk *w, const struct gpus_device *d, size_t i,
                     Aolani__Gpu *g)
{
    g->pci = d->pci;
    g->nvml_index = -1;
    g->partition = d->n > 1 ? (uint32_t)i + 1 : 0;
    int rc = d->pci ? msg_text(&g->bus_id, w->t->pci[d->pci - 1]->bus_id) : 0;
    if (rc == 0)
        rc = gpus_read_objects(d, i, g);
    g->mem_numa = gpus_memory_node(w, g->bus_id);
    if (rc == 0 && !*g->vendor && g->mem_numa >= 0)
        rc = msg_text(&g->vendor, "NVIDIA"); /* nobody else's memory is marked so */
    return rc < 0 ? rc
                  : walk_place(w, d->at, &g->cpus, &g->numa, &g->n_numa, &g->located);
}

static int gpus_push(struct walk *w, const struct gpus_device *d)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < d->n; i++) {
        if (msg_is_full(w->t, w->t->n_gpus, LIMIT_GPUS, "GPUs", &rc))
            break;
        Aolani__Gpu *g = malloc(sizeof *g);
        if (!g)
            return -ENOMEM;
        aolani__gpu__init(g);
        if ((rc = gpus_fill(w, d, i, g)) < 0 ||
            (rc = msg_push(&w->t->gpus, &w->t->n_gpus, g)) < 0)
            aolani__gpu__free_unpacked(g, NULL);
    }
    return rc;
}

int walk_add_gpus(struct walk *w, struct hwloc_obj *device)
{
    struct gpus_device d = {.at = device, .vendor = device->attr->pcidev.vendor_id};
    gpus_find(device, &d.found);
    d.lead = gpus_lead(&d.found);
    d.n = d.lead < GPUS_APIS ? d.found.by[d.lead].n : 1;
    if (d.lead == GPUS_APIS && !gpus_is_class(&device->attr->pcidev))
        return 0;
    int rc = walk_add_pci(w, device, &d.pci);
    return rc < 0 || d.pci == 0 ? rc : gpus_push(w, &d);
}

/* A GPU of a chip without PCI between, or a topology without PCI devices. CUDA's and
 * OpenCL's objects are there a second time for what NVML or another driver shows. */
int walk_add_lone_gpu(struct walk *w, struct hwloc_obj *osdev)
{
    struct gpus_device d = {.at = osdev, .n = 1};
    unsigned index;
    int api = osdev->name ? gpus_read_name(osdev->name, &index) : -1;
    if (api < 0 || api == GPUS_OPENCL)
        return 0;
    for (hwloc_obj_t o = NULL; (o = hwloc_get_next_osdev(w->hw, o));) {
        unsigned other;
        int its = o->name ? gpus_read_name(o->name, &other) : -1;
        if (its >= 0 && its < api && !walk_is_under_pci(o))
            return 0;
    }
    d.lead = (enum gpus_api)api;
    d.found.by[api].obj[0] = osdev;
    d.found.by[api].index[0] = index;
    d.found.by[api].n = 1;
    return gpus_push(w, &d);
}
