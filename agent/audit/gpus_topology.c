/* SPDX-License-Identifier: MIT */
/* gpus_topology.c - how far apart GPUs are, by the driver and by the kernel. Where they
 * disagree, one of them was told something else than what is there. */
#include <stdio.h>
#include <string.h>

#include "agent/audit/gpus_impl.h"

/* What both can tell apart: NVML's levels within one root are the kernel's switches. */
enum nearness { NEAR_SWITCH, NEAR_SOCKET, NEAR_SYSTEM, NEAR_UNKNOWN };

static const char *const words[] = {
    [NEAR_SWITCH] = "one switch",
    [NEAR_SOCKET] = "one socket",
    [NEAR_SYSTEM] = "different sockets",
};

static enum nearness by_driver(uint8_t level)
{
    if (level == GPUS_FAR)
        return NEAR_UNKNOWN;
    return level <= 20 ? NEAR_SWITCH : level <= 40 ? NEAR_SOCKET : NEAR_SYSTEM;
}

/* The length of what both paths have in common, in whole parts. */
static size_t common_path(const char *a, const char *b)
{
    size_t at = 0;
    for (size_t i = 0;; i++) {
        bool a_ends = !a[i] || a[i] == '/', b_ends = !b[i] || b[i] == '/';
        if (a_ends && b_ends)
            at = i;
        if (!a[i] || a[i] != b[i])
            return at;
    }
}

static int64_t numa_of(const struct machine *m, const char *path)
{
    char file[MACHINE_PATH + 16];
    int64_t numa = -1;
    (void)snprintf(file, sizeof file, "%s/numa_node", path);
    return machine_int(m, file, &numa) < 0 ? -1 : numa;
}

/* "/sys/devices/pci0000:16/0000:16:01.0/...": in one root's tree with a bridge in common
 * (a switch is below it), with the root alone, or in two. */
static enum nearness by_kernel(const struct machine *m, const char *a, const char *b)
{
    static const char root[] = "/sys/devices/pci";
    size_t n = common_path(a, b);
    const char *slash = strchr(a + sizeof root - 1, '/');
    if (!slash)
        return NEAR_UNKNOWN;
    if (n > (size_t)(slash - a))
        return NEAR_SWITCH;
    if (n == (size_t)(slash - a))
        return NEAR_SOCKET;
    int64_t numa_a = numa_of(m, a), numa_b = numa_of(m, b);
    if (numa_a < 0 || numa_b < 0)
        return NEAR_UNKNOWN;
    return numa_a == numa_b ? NEAR_SOCKET : NEAR_SYSTEM;
}

static bool path_of(const struct machine *m, const struct gpus_one *o,
                    char ret[MACHINE_PATH])
{
    char link[MACHINE_PATH];
    if (o->code != NVMLLIB_OK || !*o->bus_id)
        return false;
    (void)snprintf(link, sizeof link, "/sys/bus/pci/devices/%s", o->bus_id);
    return machine_real(m, link, ret, MACHINE_PATH) == 0 &&
           !strncmp(ret, "/sys/devices/pci", 16);
}

struct comparison {
    uint32_t same, differ;
    uint32_t a, b; /* the first that differ */
    enum nearness driver, kernel;
};

static void compare(const struct machine *m, const struct gpus *g, uint32_t i,
                    uint32_t j, struct comparison *c)
{
    char a[MACHINE_PATH], b[MACHINE_PATH];
    enum nearness driver = by_driver(g->apart[i][j]), kernel;
    if (driver == NEAR_UNKNOWN || !path_of(m, &g->gpu[i], a) ||
        !path_of(m, &g->gpu[j], b))
        return;
    kernel = by_kernel(m, a, b);
    if (kernel == NEAR_UNKNOWN)
        return;
    if (kernel == driver) {
        c->same++;
        return;
    }
    if (c->differ++ == 0) {
        c->a = i;
        c->b = j;
        c->driver = driver;
        c->kernel = kernel;
    }
}

void gpus_judge_topology(const struct machine *m, const struct gpus *g,
                         struct findings *f)
{
    static const char source[] = GPUS_SOURCE ", /sys/bus/pci/devices";
    struct comparison c = {0};
    for (uint32_t i = 0; i < g->n; i++)
        for (uint32_t j = i + 1; j < g->n; j++)
            compare(m, g, i, j, &c);
    if (c.differ > 0)
        found(f, AUDIT_PC7, AUDIT_WARN, source,
              "%u of %u pairs differ: gpus %u and %u on %s for the driver, on %s for "
              "the kernel",
              c.differ, c.same + c.differ, c.a, c.b, words[c.driver], words[c.kernel]);
    else if (c.same > 0)
        found(f, AUDIT_PC7, AUDIT_PASS, source, "%u pairs of gpus alike for both",
              c.same);
    else if (g->n < 2)
        found(f, AUDIT_PC7, AUDIT_PASS, source, "one gpu: nothing to compare");
    else {
        found(f, AUDIT_PC7, AUDIT_UNKNOWN, source,
              "no pair of gpus of which both say where it is");
        found_more(f, "PCI devices in /sys, as the host has them");
    }
}
