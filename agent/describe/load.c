/* SPDX-License-Identifier: MIT */
/* load.c - an hwloc topology with what we need in it and nothing else: no small caches, no
 * distances, no plug-ins. See walk.h.
 *
 * hwloc is told by its environment what to do; what a user's own settings of it would
 * change (another source, other components, words on standard error) is taken away. Its
 * plug-ins belong to another hwloc than the one in this program, and some of them start
 * CUDA or OpenCL, which takes seconds.
 */
#include "agent/describe/walk.h"

#include "agent/describe/msg.h"
#include "proto/base/limits.h"

#include <errno.h>
#include <hwloc.h>
#include <stdlib.h>

static int load_set_environment(const char *root)
{
    static const char *const theirs[] = {
        "HWLOC_XMLFILE",
        "HWLOC_SYNTHETIC",
        "HWLOC_FSROOT",
        "HWLOC_CPUID_PATH",
        "HWLOC_THISSYSTEM",
        "HWLOC_ALLOW",
        "HWLOC_XML_VERBOSE",
        "HWLOC_DEBUG_CHECK",
        "HWLOC_SYNTHETIC_VERBOSE",
        "HWLOC_COMPONENTS_VERBOSE",
        "HWLOC_PLUGINS_VERBOSE",
        "HWLOC_GROUPING_VERBOSE",
        "HWLOC_DUMPED_HWDATA_DIR",
    };
    for (size_t i = 0; i < sizeof theirs / sizeof *theirs; i++) {
        if (unsetenv(theirs[i]) < 0)
            return -errno;
    }
    if (setenv("HWLOC_PLUGINS_PATH", "/nonexistent", 1) < 0 ||
        setenv("HWLOC_HIDE_ERRORS", "2", 1) < 0 ||
        setenv("HWLOC_KEEP_NVIDIA_GPU_NUMA_NODES", "1", 1) < 0 ||
        setenv("HWLOC_COMPONENTS", "linux,stop", 1) < 0 ||
        (root && setenv("HWLOC_FSROOT", root, 1) < 0))
        return -errno;
    return 0;
}

static int load_configure(hwloc_topology_t hw)
{
    static const struct {
        hwloc_obj_type_t type;
        enum hwloc_type_filter_e filter;
    } filters[] = {
        {HWLOC_OBJ_L1CACHE, HWLOC_TYPE_FILTER_KEEP_NONE},
        {HWLOC_OBJ_L2CACHE, HWLOC_TYPE_FILTER_KEEP_NONE},
        {HWLOC_OBJ_L1ICACHE, HWLOC_TYPE_FILTER_KEEP_NONE},
        {HWLOC_OBJ_L2ICACHE, HWLOC_TYPE_FILTER_KEEP_NONE},
        {HWLOC_OBJ_L3ICACHE, HWLOC_TYPE_FILTER_KEEP_NONE},
        {HWLOC_OBJ_MISC, HWLOC_TYPE_FILTER_KEEP_NONE},
        {HWLOC_OBJ_BRIDGE, HWLOC_TYPE_FILTER_KEEP_IMPORTANT},
        {HWLOC_OBJ_PCI_DEVICE, HWLOC_TYPE_FILTER_KEEP_IMPORTANT},
        {HWLOC_OBJ_OS_DEVICE, HWLOC_TYPE_FILTER_KEEP_ALL},
    };
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        if (hwloc_topology_set_type_filter(hw, filters[i].type, filters[i].filter) < 0)
            return -errno;
    }
    /* Disallowed CPUs are kept: they say on what a GPU hangs that none of ours is near. */
    return hwloc_topology_set_flags(hw, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED |
                                            HWLOC_TOPOLOGY_FLAG_NO_DISTANCES |
                                            HWLOC_TOPOLOGY_FLAG_NO_MEMATTRS |
                                            HWLOC_TOPOLOGY_FLAG_NO_CPUKINDS) < 0
               ? -errno
               : 0;
}

/* What the cgroup allows, as hwloc knows it, and what this process itself may use. */
static int load_allowed(struct walk *w)
{
    hwloc_const_bitmap_t all = hwloc_topology_get_allowed_cpuset(w->hw);
    hwloc_bitmap_t bound = hwloc_bitmap_alloc();
    w->allowed = hwloc_bitmap_alloc();
    w->own = hwloc_bitmap_alloc();
    w->usable = hwloc_bitmap_alloc();
    int rc = bound && w->allowed && w->own && w->usable && all ? 0 : -ENOMEM;
    if (rc == 0 && (hwloc_bitmap_set_range(w->allowed, 0, LIMIT_CPUS - 1) < 0 ||
                    hwloc_bitmap_and(w->allowed, w->allowed, all) < 0))
        rc = -ENOMEM;
    if (rc == 0 && !hwloc_bitmap_isincluded(all, w->allowed))
        rc = msg_note(w->t, "CPUs with numbers from %u on are left out", LIMIT_CPUS);
    if (rc == 0 && w->live &&
        hwloc_get_cpubind(w->hw, bound, HWLOC_CPUBIND_THREAD) == 0 &&
        hwloc_bitmap_and(w->allowed, w->allowed, bound) < 0)
        rc = -ENOMEM;
    hwloc_bitmap_free(bound);
    return rc;
}

int walk_load(struct walk *w, char *xml, size_t xml_len, const char *root,
              struct err *e)
{
    int rc = load_set_environment(root);
    if (rc == 0 && hwloc_topology_init(&w->hw) < 0)
        rc = -ENOMEM;
    if (rc < 0)
        return err_sys(e, rc, "prepare to read the topology");
    if (xml && hwloc_topology_set_xmlbuffer(w->hw, xml, (int)xml_len + 1) < 0)
        return err_set(e, ERR_PARSE, "hwloc cannot read it");
    rc = load_configure(w->hw);
    if (rc == 0 && hwloc_topology_load(w->hw) < 0)
        rc = xml && errno != ENOMEM ? ERR_PARSE : -errno;
    if (rc == ERR_PARSE) {
        (void)err_set(e, rc, "it is damaged, or no export of hwloc 1 or 2");
        return err_hint(e, "write it again on the node itself: lstopo FILE.xml");
    }
    if (rc < 0 || (rc = load_allowed(w)) < 0)
        return err_sys(e, rc, "hwloc could not read it");
    return 0;
}

void walk_unload(struct walk *w)
{
    hwloc_bitmap_free(w->allowed);
    hwloc_bitmap_free(w->own);
    hwloc_bitmap_free(w->usable);
    if (w->hw)
        hwloc_topology_destroy(w->hw);
    w->hw = NULL;
    w->allowed = w->own = w->usable = NULL;
}
