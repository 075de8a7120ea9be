/* SPDX-License-Identifier: MIT */
/* sample_kfd.c - AMD's compute driver shows a folder for each process that uses it, with a
 * file vram_<gpu id> for each GPU, in bytes; and a node for each GPU with that id and the
 * number that its UUID is made of. */
#include "agent/describe/sample_impl.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/describe/sysfs.h"
#include "proto/base/limits.h"

#define NODES "class/kfd/kfd/topology/nodes"
#define USERS "class/kfd/kfd/proc"

static uint64_t read_number(const char *sysfs, const char *file)
{
    char text[32];
    return sysfs_read(sysfs, file, text, sizeof text) ? strtoull(text, NULL, 10) : 0;
}

struct kfd_node {
    uint64_t unique_id, domain, location; /* 0: it has none */
};

/* properties is "name value" a line. */
static struct kfd_node read_node(const char *sysfs, unsigned node)
{
    struct kfd_node k = {0};
    char path[4096], name[64];
    uint64_t value;
    (void)snprintf(path, sizeof path, "%s/" NODES "/%u/properties", sysfs, node);
    FILE *f = fopen(path, "re");
    if (!f)
        return k;
    while (fscanf(f, "%63s %" SCNu64, name, &value) == 2) {
        if (strcmp(name, "unique_id") == 0)
            k.unique_id = value;
        else if (strcmp(name, "domain") == 0)
            k.domain = value;
        else if (strcmp(name, "location_id") == 0)
            k.location = value;
    }
    (void)fclose(f);
    return k;
}

static int add_users(Aolani__GpuSample__Use *u, const char *sysfs, uint64_t gpu_id)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/" USERS, sysfs);
    DIR *d = opendir(path);
    int rc = 0;
    for (const struct dirent *at; d && rc == 0 && (at = readdir(d));) {
        char file[400];
        if (!isdigit((unsigned char)at->d_name[0]))
            continue;
        (void)snprintf(file, sizeof file, USERS "/%s/vram_%" PRIu64, at->d_name,
                       gpu_id);
        uint64_t bytes = read_number(sysfs, file);
        if (bytes > 0)
            rc = sample_add_process(u, (int32_t)strtol(at->d_name, NULL, 10), bytes);
    }
    if (d)
        (void)closedir(d);
    return rc;
}

static bool has_node(const char *sysfs, unsigned node)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/" NODES "/%u", sysfs, node);
    return access(path, F_OK) == 0;
}

static int add_signals(Aolani__GpuSample *s, struct gpusignals *g, const char *uuid,
                       const char *sysfs, const struct kfd_node *k)
{
    struct gpusignals_reading r;
    char bus_id[32];
    unsigned at = (unsigned)(k->location & 0xffff);
    (void)snprintf(bus_id, sizeof bus_id, "%04x:%02x:%02x.%x",
                   (unsigned)(k->domain & 0xffffffff), at >> 8, at >> 3 & 0x1f, at & 7);
    sample_amdgpu_signals(sysfs, bus_id, &r);
    return gpusignals_add(g, s, uuid, &r);
}

int sample_kfd(Aolani__GpuSample *s, struct gpusignals *g, const char *sysfs)
{
    char file[64], uuid[64];
    int rc = 0;
    /* They are counted without gaps. CPUs are nodes too, with the id 0; one that a control
     * group keeps from us is there and not to be read. */
    for (unsigned i = 0; rc == 0 && i < LIMIT_NUMA + LIMIT_GPUS && has_node(sysfs, i);
         i++) {
        (void)snprintf(file, sizeof file, NODES "/%u/gpu_id", i);
        if (!sysfs_read(sysfs, file, uuid, sizeof uuid))
            continue;
        uint64_t gpu_id = strtoull(uuid, NULL, 10);
        struct kfd_node k = read_node(sysfs, i);
        Aolani__GpuSample__Use *u;
        if (gpu_id == 0 || k.unique_id == 0)
            continue;
        (void)snprintf(uuid, sizeof uuid, "GPU-%016" PRIx64, k.unique_id);
        rc = sample_add_use(s, uuid, &u);
        if (rc == 0)
            rc = add_users(u, sysfs, gpu_id);
        if (rc == 0)
            rc = add_signals(s, g, uuid, sysfs, &k);
    }
    return rc;
}
