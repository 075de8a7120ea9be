/* SPDX-License-Identifier: MIT */
/* pcilink.c - see pcilink.h. */
#include "agent/audit/pcilink.h"

#include <stdlib.h>
#include <string.h>

#define SMALL_MBITS 64000u
#define LANES_MAX   32
#define GTS_MAX     1000

static unsigned lanes_read(const struct machine *m, const struct pcilist_device *d,
                           const char *attr)
{
    char path[MACHINE_PATH];
    int64_t v;
    if (machine_int(m, pcilist_path(d, attr, path), &v) < 0 || v < 1 || v > LANES_MAX)
        return 0;
    return (unsigned)v;
}

/* "16.0 GT/s PCIe", "8 GT/s", "Unknown". */
static unsigned speed_read(const struct machine *m, const struct pcilist_device *d,
                           const char *attr)
{
    char path[MACHINE_PATH], text[64], *end;
    if (machine_line(m, pcilist_path(d, attr, path), text, sizeof text) < 0)
        return 0;
    double v = strtod(text, &end);
    bool is_speed = end != text && !strncmp(end, " GT/s", 5) && v >= 1 && v <= GTS_MAX;
    return is_speed ? (unsigned)(v * 1000 + 0.5) : 0;
}

struct pcilink pcilink_read(const struct machine *m, const struct pcilist_device *d,
                            bool most)
{
    return (struct pcilink){
        .lanes = lanes_read(m, d, most ? "max_link_width" : "current_link_width"),
        .mts = speed_read(m, d, most ? "max_link_speed" : "current_link_speed"),
    };
}

bool pcilink_is_small(const struct pcilist_device *d, struct pcilink can)
{
    return d->kind == PCILIST_NIC && can.lanes && can.mts &&
           can.lanes * can.mts < SMALL_MBITS;
}
