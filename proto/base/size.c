/* SPDX-License-Identifier: MIT */
/* size.c - see size.h. Three digits, units of 1024, as the job file has them. */
#include "proto/base/size.h"

#include <stdio.h>

const char *size_text(uint64_t bytes, char ret[SIZE_TEXT])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double v = (double)bytes;
    unsigned u = 0;
    for (; v >= 1024 && u + 1 < sizeof units / sizeof *units; u++)
        v /= 1024;
    (void)snprintf(ret, SIZE_TEXT, u && v < 100 ? "%.1f %s" : "%.0f %s", v, units[u]);
    return ret;
}
