/* SPDX-License-Identifier: MIT */
/* gpuorder.c - see gpuorder.h. */
#include "agent/describe/gpuorder.h"

#include "proto/wire/busid.h"

#include <stdlib.h>
#include <string.h>

static int gpuorder_vendor(const Aolani__Gpu *g)
{
    static const char *const vendors[] = {"NVIDIA", "AMD", "Intel"};
    int i = 0;
    while (i < 3 && strcmp(vendors[i], g->vendor) != 0)
        i++;
    return i;
}

/* "rsmi10": 10. */
static uint64_t gpuorder_index(const Aolani__Gpu *g)
{
    size_t len = strlen(g->osdev);
    if (g->nvml_index >= 0)
        return (uint64_t)g->nvml_index;
    while (len > 0 && strchr("0123456789", g->osdev[len - 1]))
        len--;
    return g->osdev[len] ? strtoull(g->osdev + len, NULL, 10) : UINT64_MAX;
}

static uint64_t gpuorder_bus(const Aolani__Gpu *g)
{
    uint64_t n;
    return busid_read(g->bus_id, &n) ? n : UINT64_MAX;
}

static int gpuorder_cmp(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int gpuorder_compare(const void *x, const void *y)
{
    const Aolani__Gpu *a = *(Aolani__Gpu *const *)x, *b = *(Aolani__Gpu *const *)y;
    int d = gpuorder_vendor(a) - gpuorder_vendor(b);
    d = d ? d : gpuorder_cmp(gpuorder_index(a), gpuorder_index(b));
    d = d ? d : gpuorder_cmp(gpuorder_bus(a), gpuorder_bus(b));
    d = d ? d : gpuorder_cmp(a->partition, b->partition);
    return d ? d : strcmp(a->osdev, b->osdev);
}

void gpuorder_sort(Aolani__Topology *t)
{
    if (t->n_gpus > 1)
        qsort(t->gpus, t->n_gpus, sizeof *t->gpus, gpuorder_compare);
}
