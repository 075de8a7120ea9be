/* SPDX-License-Identifier: MIT */
/* cpus.c - packages, NUMA nodes, L3 caches and cores. See walk.h.
 *
 * hwloc gives every NUMA node the CPUs of the object it hangs on, those without CPUs too
 * (HBM, CXL, the memory of a GPU). A node has CPUs of its own when no smaller one lies
 * within it, and of several with the same CPUs the first has them.
 */
#include "agent/describe/walk.h"

#include "agent/describe/msg.h"
#include "proto/base/limits.h"

#include <errno.h>
#include <hwloc.h>
#include <stdlib.h>
#include <string.h>

/* The allowed ones of a set, as text. */
static int cpus_format(const struct walk *w, hwloc_const_bitmap_t set, char **field)
{
    hwloc_bitmap_t some = hwloc_bitmap_alloc();
    char *text = NULL;
    int rc = -ENOMEM;
    if (some && set && hwloc_bitmap_and(some, set, w->allowed) == 0 &&
        hwloc_bitmap_list_asprintf(&text, some) >= 0)
        rc = msg_format(field, "%s", text);
    free(text);
    hwloc_bitmap_free(some);
    return rc;
}

/* ---- the machine ---- */

static const char *cpus_info(hwloc_obj_t obj, const char *name)
{
    const char *text = hwloc_obj_get_info_by_name(obj, name);
    return text ? text : "";
}

static int cpus_read_product(struct walk *w)
{
    hwloc_obj_t root = hwloc_get_root_obj(w->hw);
    const char *vendor = cpus_info(root, "DMISysVendor");
    const char *name = cpus_info(root, "DMIProductName");
    char *both = NULL;
    if (!*name)
        name = cpus_info(root, "PlatformModel");
    int rc = *name ? msg_format(&both, "%s %s", vendor, name) : 0;
    if (rc == 0)
        rc = msg_text(&w->t->product, both);
    free(both);
    return rc;
}

static uint32_t cpus_number(hwloc_obj_t obj, const char *name)
{
    unsigned long n = strtoul(cpus_info(obj, name), NULL, 10);
    return n < 0x10000 ? (uint32_t)n : 0;
}

/* Of the first package: no machine mixes them. */
static int cpus_read_make(struct walk *w)
{
    hwloc_obj_t package = hwloc_get_obj_by_type(w->hw, HWLOC_OBJ_PACKAGE, 0);
    int rc =
        msg_text(&w->t->arch, cpus_info(hwloc_get_root_obj(w->hw), "Architecture"));
    if (rc < 0 || !package)
        return rc;
    w->t->cpu_family = cpus_number(package, "CPUFamilyNumber");
    w->t->cpu_model = cpus_number(package, "CPUModelNumber");
    return msg_text(&w->t->cpu_vendor, cpus_info(package, "CPUVendor"));
}

static int cpus_read_groups(struct walk *w, hwloc_obj_type_t type, const char *what,
                            size_t max, Aolani__CpuGroup ***list, size_t *n)
{
    int rc = 0;
    for (hwloc_obj_t o = NULL;
         rc == 0 && (o = hwloc_get_next_obj_by_type(w->hw, type, o));) {
        if (msg_is_full(w->t, *n, max, what, &rc))
            break;
        Aolani__CpuGroup *g = malloc(sizeof *g);
        if (!g)
            return -ENOMEM;
        aolani__cpu_group__init(g);
        g->os_index =
            o->os_index == HWLOC_UNKNOWN_INDEX ? o->logical_index : o->os_index;
        if ((rc = cpus_format(w, o->cpuset, &g->cpus)) < 0 ||
            (rc = msg_push(list, n, g)) < 0)
            aolani__cpu_group__free_unpacked(g, NULL);
    }
    return rc;
}

/* ---- NUMA nodes ---- */

static bool cpus_is_gpu_memory(hwloc_obj_t node)
{
    return node->subtype && strcmp(node->subtype, "GPUMemory") == 0;
}

/* Memory that is no processor's own, by name. */
static bool cpus_is_special(hwloc_obj_t node)
{
    return node->subtype && strcmp(node->subtype, "DRAM") != 0;
}

/* Has `other` the CPUs rather than `node`? */
static bool cpus_is_nearer(hwloc_obj_t other, hwloc_obj_t node)
{
    if (hwloc_bitmap_iszero(other->cpuset) ||
        !hwloc_bitmap_isincluded(other->cpuset, node->cpuset))
        return false;
    if (!hwloc_bitmap_isequal(other->cpuset, node->cpuset))
        return true;
    if (cpus_is_special(other) != cpus_is_special(node))
        return cpus_is_special(node);
    return other->os_index < node->os_index;
}

static bool cpus_has_own(struct walk *w, hwloc_obj_t node)
{
    if (cpus_is_gpu_memory(node))
        return false;
    for (hwloc_obj_t o = NULL;
         (o = hwloc_get_next_obj_by_type(w->hw, HWLOC_OBJ_NUMANODE, o));) {
        if (o != node && !cpus_is_gpu_memory(o) && cpus_is_nearer(o, node))
            return false;
    }
    return true;
}

/* Machines on which NVIDIA's GPUs show their memory as NUMA nodes, which not every hwloc
 * and driver says. */
static bool cpus_shows_gpu_memory(struct walk *w)
{
    const char *arch = cpus_info(hwloc_get_root_obj(w->hw), "Architecture");
    if (strncmp(arch, "ppc64", 5) != 0 && strcmp(arch, "aarch64") != 0)
        return false;
    for (hwloc_obj_t o = NULL; (o = hwloc_get_next_pcidev(w->hw, o));) {
        if (o->attr->pcidev.vendor_id == 0x10de && o->attr->pcidev.class_id >> 8 == 3)
            return true;
    }
    return false;
}

static uint32_t cpus_package_of(struct walk *w, hwloc_obj_t node)
{
    const hwloc_obj_t p =
        hwloc_get_ancestor_obj_by_type(w->hw, HWLOC_OBJ_PACKAGE, node);
    return p && p->logical_index < LIMIT_PACKAGES ? p->logical_index + 1 : 0;
}

static int cpus_read_node(struct walk *w, hwloc_obj_t o, bool gpu_memory)
{
    bool own = hwloc_bitmap_isset(w->own, o->os_index);
    Aolani__NumaNode *node = malloc(sizeof *node);
    if (!node)
        return -ENOMEM;
    aolani__numa_node__init(node);
    node->os_index = o->os_index;
    node->mem_bytes = o->attr->numanode.local_memory;
    node->of_gpu = cpus_is_gpu_memory(o) || (gpu_memory && !own && !o->subtype);
    node->package = cpus_package_of(w, o);
    int rc = own ? cpus_format(w, o->cpuset, &node->cpus) : 0;
    if (rc == 0)
        rc = msg_push(&w->t->numa, &w->t->n_numa, node);
    if (rc < 0)
        aolani__numa_node__free_unpacked(node, NULL);
    return rc;
}

static int cpus_compare_nodes(const void *x, const void *y)
{
    const Aolani__NumaNode *a = *(Aolani__NumaNode *const *)x;
    const Aolani__NumaNode *b = *(Aolani__NumaNode *const *)y;
    return a->os_index < b->os_index ? -1 : a->os_index > b->os_index;
}

static int cpus_read_numa(struct walk *w)
{
    hwloc_const_nodeset_t allowed = hwloc_topology_get_allowed_nodeset(w->hw);
    bool gpu_memory = cpus_shows_gpu_memory(w);
    int rc = 0;
    for (hwloc_obj_t o = NULL;
         rc == 0 && (o = hwloc_get_next_obj_by_type(w->hw, HWLOC_OBJ_NUMANODE, o));) {
        if (msg_is_full(w->t, w->t->n_numa, LIMIT_NUMA, "NUMA nodes", &rc))
            break;
        bool own = cpus_has_own(w, o);
        bool usable = own && hwloc_bitmap_isset(allowed, o->os_index) &&
                      hwloc_bitmap_intersects(o->cpuset, w->allowed);
        if ((own && hwloc_bitmap_set(w->own, o->os_index) < 0) ||
            (usable && hwloc_bitmap_set(w->usable, o->os_index) < 0))
            return -ENOMEM;
        rc = cpus_read_node(w, o, gpu_memory);
    }
    if (w->t->n_numa > 1)
        qsort(w->t->numa, w->t->n_numa, sizeof *w->t->numa, cpus_compare_nodes);
    return rc;
}

/* ---- cores ---- */

static int cpus_read_core(struct walk *w, hwloc_obj_t o)
{
    if (!hwloc_bitmap_intersects(o->cpuset, w->allowed))
        return 0;
    Aolani__Core *core = malloc(sizeof *core);
    if (!core)
        return -ENOMEM;
    aolani__core__init(core);
    int rc = 0;
    for (int i = -1; rc == 0 && (i = hwloc_bitmap_next(o->cpuset, i)) >= 0 &&
                     i < (int)LIMIT_CPUS;) {
        if (hwloc_bitmap_isset(w->allowed, (unsigned)i))
            rc = msg_push_u32(&core->pus, &core->n_pus, (uint32_t)i);
    }
    if (rc == 0)
        rc = msg_push(&w->t->cores, &w->t->n_cores, core);
    if (rc < 0)
        aolani__core__free_unpacked(core, NULL);
    return rc;
}

/* In hwloc's own order, which is that of its tree; where it knows of no cores, each
 * hardware thread is one. */
static int cpus_read_cores(struct walk *w)
{
    bool has = hwloc_get_nbobjs_by_type(w->hw, HWLOC_OBJ_CORE) > 0;
    hwloc_obj_type_t type = has ? HWLOC_OBJ_CORE : HWLOC_OBJ_PU;
    int rc = 0;
    for (hwloc_obj_t o = NULL;
         rc == 0 && (o = hwloc_get_next_obj_by_type(w->hw, type, o));) {
        if (msg_is_full(w->t, w->t->n_cores, LIMIT_CPUS, "cores", &rc))
            break;
        rc = cpus_read_core(w, o);
    }
    return rc;
}

int walk_cpus(struct walk *w)
{
    Aolani__Topology *t = w->t;
    int rc;
    if ((rc = cpus_read_product(w)) < 0 || (rc = cpus_read_make(w)) < 0 ||
        (rc = cpus_format(w, w->allowed, &t->allowed_cpus)) < 0 ||
        (rc = cpus_read_groups(w, HWLOC_OBJ_PACKAGE, "packages", LIMIT_PACKAGES,
                               &t->packages, &t->n_packages)) < 0 ||
        (rc = cpus_read_groups(w, HWLOC_OBJ_L3CACHE, "L3 caches", LIMIT_CPUS, &t->l3,
                               &t->n_l3)) < 0 ||
        (rc = cpus_read_numa(w)) < 0)
        return rc;
    return cpus_read_cores(w);
}

/* ---- devices ---- */

/* A device that hangs on all of a machine with several NUMA nodes is near none of them:
 * the firmware does not say where it is. With one node there is nothing to say. */
static bool cpus_is_located(const struct walk *w, hwloc_obj_t near)
{
    return hwloc_bitmap_weight(w->own) <= 1 ||
           !hwloc_bitmap_isincluded(w->own, near->nodeset);
}

int walk_place(const struct walk *w, struct hwloc_obj *device, char **cpus,
               uint32_t **numa, size_t *n_numa, protobuf_c_boolean *located)
{
    hwloc_obj_t near = hwloc_get_non_io_ancestor_obj(w->hw, device);
    if (!near || !near->cpuset || !near->nodeset || !cpus_is_located(w, near))
        return 0;
    *located = 1;
    int rc = cpus_format(w, near->cpuset, cpus);
    for (int i = -1; rc == 0 && (i = hwloc_bitmap_next(w->usable, i)) >= 0;) {
        if (hwloc_bitmap_isset(near->nodeset, (unsigned)i))
            rc = msg_push_u32(numa, n_numa, (uint32_t)i);
    }
    return rc;
}
