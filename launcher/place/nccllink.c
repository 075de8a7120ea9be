/* SPDX-License-Identifier: MIT */
/* nccllink.c - how fast NCCL takes the links of a node to be. */
#include <string.h>

#include "launcher/place/ncclgraph.h"

/* GB/s, of NCCL's src/graph/topo.h. */
#define BW_AMD     16.0f
#define BW_BDW     6.0f
#define BW_SKL     10.0f
#define BW_SRP     22.0f
#define BW_ERP     40.0f
#define BW_ZHAOXIN 6.0f
#define BW_POWER   32.0f
#define BW_ARM     6.0f

/* NCCL's units of 100 Mbit/s a lane; 60 where it does not know the speed. */
static unsigned lane_units(uint32_t mts)
{
    static const struct {
        uint32_t mts;
        unsigned units;
    } gens[] = {{2500, 15},   {5000, 30},   {8000, 60},
                {16000, 120}, {32000, 240}, {64000, 480}};
    for (size_t i = 0; i < sizeof gens / sizeof *gens; i++) {
        if (gens[i].mts == mts)
            return gens[i].units;
    }
    return 60;
}

/* Where only a bandwidth is known: of the links that PCI has, the one that comes nearest.
 * What is left after the encoding is 80 % up to 5 GT/s, then 128/130. */
static float of_mbytes(uint64_t mbytes)
{
    static const uint32_t gens[] = {2500, 5000, 8000, 16000, 32000, 64000};
    double best = -1;
    float ret = 0;
    for (size_t i = 0; i < sizeof gens / sizeof *gens; i++) {
        for (unsigned width = 1; width <= 16; width *= 2) {
            double has =
                gens[i] / 8.0 * (gens[i] <= 5000 ? 0.8 : 128.0 / 130.0) * width;
            double off =
                has > (double)mbytes ? has - (double)mbytes : (double)mbytes - has;
            if (best < 0 || off < best) {
                best = off;
                ret = (float)(width * lane_units(gens[i]) / 80.0);
            }
        }
    }
    return ret;
}

float ncclgraph_link(const struct topo *t, int pci)
{
    const Aolani__PciLink *l = pci >= 0 ? t->pci[pci].m->link : NULL;
    if (l && !l->max_mts && l->now_mbytes)
        return of_mbytes(l->now_mbytes);
    unsigned width = l && l->max_width ? l->max_width : 16;
    return (float)(width * lane_units(l ? l->max_mts : 0) / 80.0);
}

float ncclgraph_between_cpus(const struct topo *t)
{
    const Aolani__Topology *m = t->m;
    if (strncmp(m->arch, "ppc64", 5) == 0)
        return BW_POWER;
    if (strcmp(m->arch, "aarch64") == 0 || strcmp(m->arch, "arm64") == 0)
        return BW_ARM;
    if (strcmp(m->cpu_vendor, "AuthenticAMD") == 0)
        return BW_AMD;
    if (strcmp(m->cpu_vendor, "CentaurHauls") == 0)
        return BW_ZHAOXIN;
    if (m->cpu_family != 6)
        return BW_SKL;
    return m->cpu_model >= 0xcf   ? BW_ERP
           : m->cpu_model >= 0x8f ? BW_SRP
           : m->cpu_model >= 0x55 ? BW_SKL
                                  : BW_BDW;
}

/* GPUs that exist with NVLink switches or bridges alone, for when no driver was asked. */
bool ncclgraph_has_nvlink(const struct topo *t, const struct topo_gpu *g)
{
    static const uint16_t ids[] = {
        0x1db1, 0x1db5, 0x1db8,         /* V100 SXM2, SXM3 */
        0x20b0, 0x20b2, 0x20bd, 0x20f3, /* A100, A800 SXM4 */
        0x2324, 0x2329, 0x2330, 0x2335, /* H800, H20, H100, H200 SXM5 */
        0x2901, 0x2941,                 /* B200, GB200 */
    };
    if (t->m->gpu_driver[0] || g->m->nvlinks)
        return g->m->nvlinks > 0;
    const Aolani__PciNode *p = g->pci >= 0 ? t->pci[g->pci].m : NULL;
    for (size_t i = 0; p && p->vendor == 0x10de && i < sizeof ids / sizeof *ids; i++) {
        if (p->device == ids[i])
            return true;
    }
    return false;
}

/* Grace: the GPU's memory is a NUMA node of an Arm machine. */
bool ncclgraph_has_c2c(const struct topo *t, const struct topo_gpu *g)
{
    const char *model = g->m->model;
    if (strstr(model, "GH200") || strstr(model, "GB200") || strstr(model, "GB300"))
        return true;
    const Aolani__PciNode *p = g->pci >= 0 ? t->pci[g->pci].m : NULL;
    if (p && p->vendor == 0x10de && (p->device == 0x2342 || p->device == 0x2941))
        return true;
    return strcmp(t->m->arch, "aarch64") == 0 && g->m->mem_numa >= 0;
}
