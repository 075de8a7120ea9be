/* SPDX-License-Identifier: MIT */
/* plan_diff_words.c - see plan_diff_words.h. */
#include "launcher/plan_diff_words.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launcher/plan_text.h"

#define VALUE 60 /* of a set of CPUs; longer ones are cut */

static const char *plural(const char *count)
{
    return strcmp(count, "1") == 0 ? "" : "s";
}

static int say_node(const struct difference *d, const char *mine, const char *others,
                    char **ret)
{
    switch (d->kind) {
    case FACT_DESCRIBED:
        return d->mine ? asprintf(ret, "not described: %s", mine) : 0;
    case FACT_PRODUCT:
        return asprintf(ret, "another machine: %s (others %s)", mine, others);
    case FACT_PACKAGES:
        return asprintf(ret, "%s package%s (others %s)", mine, plural(mine), others);
    case FACT_NUMA:
        return asprintf(ret, "%s NUMA node%s (others %s)", mine, plural(mine), others);
    case FACT_CORES:
        return asprintf(ret, "%s core%s (others %s)", mine, plural(mine), others);
    case FACT_ALLOWED:
        return asprintf(ret, "CPUs %.*s allowed (others %.*s)", VALUE, mine, VALUE,
                        others);
    case FACT_DRIVER:
        return asprintf(ret, "GPU driver %s (others %s)", mine, others);
    case FACT_MPS:
        return asprintf(ret, "an MPS daemon: %s (others %s)", mine, others);
    case FACT_HIDDEN:
        return asprintf(ret, "CUDA_VISIBLE_DEVICES hides %s (others %s)", mine, others);
    default:
        return 0;
    }
}

static int say_gpu(const struct difference *d, const char *mine, const char *others,
                   char **ret)
{
    const char *bus = plan_bus(d->id);
    long long gpu = (long long)d->gpu;
    switch (d->kind) {
    case FACT_GPU:
        return asprintf(ret, "gpu %lld (%s) %s", gpu, bus,
                        d->mine ? "more than others have" : "missing");
    case FACT_GPU_ORDER:
        return asprintf(ret, "its GPUs are numbered in another order");
    case FACT_GPU_MODEL:
        return asprintf(ret, "gpu %lld (%s) is %s (others %s)", gpu, bus, mine, others);
    case FACT_GPU_MIG:
        return asprintf(ret, "gpu %lld (%s) in %s MIG instance%s (others %s)", gpu, bus,
                        mine, plural(mine), others);
    case FACT_GPU_NUMA:
        return asprintf(ret, "gpu %lld (%s) at NUMA node %s (others %s)", gpu, bus,
                        mine, others);
    case FACT_GPU_LINK:
        return asprintf(ret, "gpu %lld (%s) link %s (others %s)", gpu, bus, mine,
                        others);
    case FACT_GPU_NOW:
        return asprintf(ret, "gpu %lld (%s) link runs at %s (others %s)", gpu, bus,
                        mine, others);
    default:
        return 0;
    }
}

static int say_nic(const struct difference *d, const char *mine, const char *others,
                   char **ret)
{
    switch (d->kind) {
    case FACT_NIC:
        return asprintf(ret, "%s %s", d->id,
                        d->mine ? "more than others have" : "missing");
    case FACT_NIC_STATE:
        return strcmp(mine, "up") == 0 ? asprintf(ret, "%s up (others down)", d->id)
                                       : asprintf(ret, "%s %s", d->id, mine);
    case FACT_NIC_MODEL:
    case FACT_NIC_LAYER:
        return asprintf(ret, "%s is %s (others %s)", d->id, mine, others);
    case FACT_NIC_RATE:
        return asprintf(ret, "%s at %s (others %s)", d->id, mine, others);
    case FACT_NIC_NUMA:
        return asprintf(ret, "%s at NUMA node %s (others %s)", d->id, mine, others);
    case FACT_NIC_LINK:
        return asprintf(ret, "%s link %s (others %s)", d->id, mine, others);
    case FACT_NIC_NOW:
    case FACT_NIC_MBYTES:
        return asprintf(ret, "%s link runs at %s (others %s)", d->id, mine, others);
    default:
        return 0;
    }
}

/* A set that means "everywhere" is empty. */
static const char *or_else(const char *text, const char *otherwise)
{
    return !text ? "not known" : *text ? text : otherwise;
}

int plan_diff_say(const struct difference *d, char **ret)
{
    const char *mine = or_else(d->mine, "none"), *others = or_else(d->others, "none");
    char *text = NULL;
    int n = d->kind < FACT_GPU   ? say_node(d, mine, others, &text)
            : d->kind < FACT_NIC ? say_gpu(d, mine, others, &text)
                                 : say_nic(d, mine, others, &text);
    if (n < 0)
        return -ENOMEM;
    *ret = text;
    return 0;
}
