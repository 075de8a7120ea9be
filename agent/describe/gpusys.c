/* SPDX-License-Identifier: MIT */
/* gpusys.c - see gpusys.h. AMD's compute driver (kfd) lists what it computes on as nodes
 * of its own: one for each GPU, or for each part of one. */
#include "agent/describe/gpusys.h"

#include "agent/describe/msg.h"
#include "agent/describe/sysfs.h"
#include "proto/base/limits.h"
#include "proto/wire/busid.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct gpusys_node {
    uint64_t
        slot; /* PCI address without its function, which tells parts from each other */
    uint64_t unique_id;
    unsigned number;
};

struct gpusys_kfd {
    bool there; /* nodes of processors alone included */
    struct gpusys_node nodes[LIMIT_GPUS];
    size_t n;
};

/* ---- the nodes of kfd ---- */

/* Lines of "name number". false: a processor, or not to be read, as the GPUs that a control
 * group keeps from us. */
static bool gpusys_read_properties(const char *path, struct gpusys_node *ret)
{
    char line[128];
    unsigned long long domain = 0, location = 0, simds = 0, value;
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    for (unsigned i = 0; i < 256 && fgets(line, sizeof line, f); i++) {
        char name[64];
        if (sscanf(line, "%63s %llu", name, &value) != 2)
            continue;
        if (strcmp(name, "domain") == 0)
            domain = value;
        else if (strcmp(name, "location_id") == 0)
            location = value;
        else if (strcmp(name, "simd_count") == 0)
            simds = value;
        else if (strcmp(name, "unique_id") == 0)
            ret->unique_id = value;
    }
    (void)fclose(f);
    ret->slot = (uint64_t)domain << 13 | (location & 0xffff) >> 3;
    return simds > 0;
}

static int gpusys_compare(const void *x, const void *y)
{
    const struct gpusys_node *a = x, *b = y;
    return a->number < b->number ? -1 : a->number > b->number;
}

static void gpusys_read_kfd(const char *sysfs, struct gpusys_kfd *ret)
{
    char path[SYSFS_PATH];
    ret->n = 0;
    ret->there = false;
    sysfs_path(path, "%s/class/kfd/kfd/topology/nodes", sysfs);
    DIR *d = opendir(path);
    for (struct dirent *x; d && ret->n < LIMIT_GPUS && (x = readdir(d));) {
        struct gpusys_node node = {0};
        char *end;
        node.number = (unsigned)strtoul(x->d_name, &end, 10);
        sysfs_path(path, "%s/class/kfd/kfd/topology/nodes/%s/properties", sysfs,
                   x->d_name);
        if (end == x->d_name || *end)
            continue;
        ret->there = true;
        if (gpusys_read_properties(path, &node))
            ret->nodes[ret->n++] = node;
    }
    if (d)
        closedir(d);
    qsort(ret->nodes, ret->n, sizeof *ret->nodes, gpusys_compare);
}

/* The i-th node of a GPU; NULL: it has no such. */
static const struct gpusys_node *gpusys_node(const struct gpusys_kfd *kfd,
                                             const Aolani__Gpu *g, size_t i)
{
    uint64_t bus;
    if (!busid_read(g->bus_id, &bus))
        return NULL;
    for (size_t k = 0; k < kfd->n; k++) {
        if (kfd->nodes[k].slot == bus >> 3 && i-- == 0)
            return &kfd->nodes[k];
    }
    return NULL;
}

/* ---- one GPU ---- */

static Aolani__Gpu *gpusys_copy(const Aolani__Gpu *g)
{
    size_t n = aolani__gpu__get_packed_size(g);
    uint8_t *bytes = malloc(n + 1);
    Aolani__Gpu *copy =
        bytes ? aolani__gpu__unpack(NULL, aolani__gpu__pack(g, bytes), bytes) : NULL;
    free(bytes);
    return copy;
}

static int gpusys_set_node(Aolani__Gpu *g, const struct gpusys_node *node)
{
    return node->unique_id ? msg_format(&g->uuid, "GPU-%016llx",
                                        (unsigned long long)node->unique_id)
                           : 0;
}

/* hwloc knew of one GPU there; the driver has made several of it. */
static int gpusys_split(Aolani__Topology *t, Aolani__Gpu *g,
                        const struct gpusys_kfd *kfd)
{
    int rc = 0;
    g->partition = 1;
    for (size_t i = 1; rc == 0 && gpusys_node(kfd, g, i); i++) {
        if (msg_is_full(t, t->n_gpus, LIMIT_GPUS, "GPUs", &rc))
            return rc;
        Aolani__Gpu *part = gpusys_copy(g);
        if (!part)
            return -ENOMEM;
        part->partition = (uint32_t)i + 1;
        if ((rc = gpusys_set_node(part, gpusys_node(kfd, g, i))) < 0 ||
            (rc = msg_push(&t->gpus, &t->n_gpus, part)) < 0)
            aolani__gpu__free_unpacked(part, NULL);
    }
    return rc;
}

static int gpusys_read_amd(Aolani__Topology *t, const char *dir, Aolani__Gpu *g,
                           const struct gpusys_kfd *kfd)
{
    const struct gpusys_node *node = gpusys_node(kfd, g, 0);
    char text[128];
    int rc = 0;
    if (!*g->model && sysfs_read(dir, "product_name", text, sizeof text))
        rc = msg_text(&g->model, text);
    if (g->mem_bytes == 0 && sysfs_read(dir, "mem_info_vram_total", text, sizeof text))
        g->mem_bytes = strtoull(text, NULL, 10);
    if (rc == 0 && node && !*g->uuid)
        rc = gpusys_set_node(g, node);
    return rc < 0 || g->partition || !gpusys_node(kfd, g, 1) ? rc
                                                             : gpusys_split(t, g, kfd);
}

/* Drivers that pass a device on to a virtual machine, or to nobody; NVIDIA has one of its
 * own for Grace ("nvgrace-gpu-vfio-pci"). */
static bool gpusys_is_kept(const char *driver)
{
    static const char *const drivers[] = {"pci-stub", "pciback", "xen-pciback",
                                          "uio_pci_generic", "nouveau"};
    bool kept = strstr(driver, "vfio") != NULL;
    for (size_t i = 0; !kept && i < sizeof drivers / sizeof *drivers; i++)
        kept = strcmp(driver, drivers[i]) == 0;
    return kept;
}

/* Why no program here can compute on it; NULL: one can, as far as is known. */
static const char *gpusys_unusable(const char *dir, const Aolani__Gpu *g,
                                   const struct gpusys_kfd *kfd, char *driver,
                                   size_t size)
{
    char of[64];
    if (*g->osdev)
        return NULL;
    if (sysfs_read_link(dir, "physfn", of, sizeof of))
        return "is a virtual function for a virtual machine";
    if (sysfs_read_link(dir, "driver", driver, size) && gpusys_is_kept(driver))
        return "is held by the driver";
    *driver = '\0';
    if (kfd->there && strcmp(g->vendor, "AMD") == 0 && !gpusys_node(kfd, g, 0))
        return "is not one that ROCm computes on";
    return NULL;
}

int gpusys_read(const char *sysfs, Aolani__Topology *t)
{
    struct gpusys_kfd kfd;
    size_t kept = 0, n = t->n_gpus;
    int rc = 0;
    gpusys_read_kfd(sysfs, &kfd);
    for (size_t i = 0; i < n; i++) {
        Aolani__Gpu *g = t->gpus[i];
        char dir[SYSFS_PATH], driver[64] = "";
        sysfs_path(dir, "%s/bus/pci/devices/%s", sysfs, g->bus_id);
        const char *why =
            *g->bus_id ? gpusys_unusable(dir, g, &kfd, driver, sizeof driver) : NULL;
        if (!why) {
            t->gpus[kept++] = g;
            continue;
        }
        if (rc == 0)
            rc = msg_note(t, "GPU %s %s%s%s: it is left out", g->bus_id, why,
                          *driver ? " " : "", driver);
        aolani__gpu__free_unpacked(g, NULL);
    }
    t->n_gpus = kept;
    for (size_t i = 0; rc == 0 && i < kept; i++) {
        char dir[SYSFS_PATH];
        sysfs_path(dir, "%s/bus/pci/devices/%s", sysfs, t->gpus[i]->bus_id);
        if (strcmp(t->gpus[i]->vendor, "AMD") == 0 && *t->gpus[i]->bus_id)
            rc = gpusys_read_amd(t, dir, t->gpus[i], &kfd);
    }
    return rc;
}
