/* SPDX-License-Identifier: MIT */
/* gpucopy_way.c - what /sys says of the way between host memory and a GPU. */
#include <stdio.h>
#include <string.h>

#include "agent/audit/gpucopy_impl.h"

#define PCI      "/sys/bus/pci/devices"
#define DEVICES  "/sys/devices/"
#define MAX_LANE 32

/* MB/s of a lane: two generations send 10 bits for 8, three 130 for 128, and the sixth
 * blocks of 256 bytes with 242 of payload. */
static double lane_mbytes(double gt)
{
    if (gt < 5.5)
        return gt * 1000 / 8 * 8 / 10;
    if (gt < 33)
        return gt * 1000 / 8 * 128 / 130;
    return gt * 1000 / 8 * 242 / 256;
}

/* Of one end of a link, at its best; 0: it has none, or does not say. */
static uint64_t end_mbytes(const struct machine *m, const char *path)
{
    char file[MACHINE_PATH + 32], text[64];
    int64_t width;
    double gt;
    (void)snprintf(file, sizeof file, "%s/max_link_speed", path);
    if (machine_line(m, file, text, sizeof text) < 0 ||
        sscanf(text, "%lf GT/s", &gt) != 1 || !(gt > 0 && gt < 1000))
        return 0;
    (void)snprintf(file, sizeof file, "%s/max_link_width", path);
    if (machine_int(m, file, &width) < 0 || width <= 0 || width > MAX_LANE)
        return 0;
    return (uint64_t)(lane_mbytes(gt) * (double)width);
}

uint64_t gpucopy_rated(const struct machine *m, const char *bus_id)
{
    char link[MACHINE_PATH], path[MACHINE_PATH];
    (void)snprintf(link, sizeof link, PCI "/%s", bus_id);
    if (machine_real(m, link, path, sizeof path) < 0 ||
        strncmp(path, DEVICES, strlen(DEVICES)) != 0)
        return 0;
    uint64_t least = end_mbytes(m, path);
    for (char *slash; least > 0 && (slash = strrchr(path, '/'));) {
        *slash = '\0';
        if (strlen(path) < strlen(DEVICES))
            break;
        uint64_t end = end_mbytes(m, path);
        least = end > 0 && end < least ? end : least;
    }
    return least;
}

bool gpucopy_near(const struct machine *m, const char *bus_id, struct numaset *ret)
{
    char file[MACHINE_PATH], text[4096];
    (void)snprintf(file, sizeof file, PCI "/%s/local_cpulist", bus_id);
    return machine_line(m, file, text, sizeof text) == 0 &&
           numaset_parse(text, ret) == 0 && numaset_count(ret) > 0;
}
