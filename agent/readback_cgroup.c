/* SPDX-License-Identifier: MIT */
/* readback_cgroup.c - see readback_cgroup.h. */
#include "agent/readback_cgroup.h"

#include "agent/cgroup.h"
#include "agent/proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CGROUP_LEVELS 64
/* Version 1 says so where there is no limit: the largest number of pages. */
#define CGROUP_NO_LIMIT (UINT64_C(1) << 62)

static bool cgroup_file(const char *dir, const char *name, char *buf, size_t size)
{
    char path[PATH_MAX + 64];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    ssize_t n = proc_read_file(path, buf, size);
    buf[n > 0 ? strcspn(buf, "\n") : 0] = '\0';
    return n > 0;
}

static void cgroup_quota(struct readback_cgroup *c, const char *dir, long long quota,
                         long long period)
{
    if (quota <= 0 || period <= 0 || quota > INT64_MAX / 100)
        return;
    long long percent = quota * 100 / period;
    if (percent > UINT32_MAX)
        return;
    if (percent == 0)
        percent = 1;
    if (c->quota_percent > 0 && percent >= c->quota_percent)
        return;
    c->quota_percent = (uint32_t)percent;
    (void)snprintf(c->quota_at, sizeof c->quota_at, "%s", dir);
}

static void cgroup_memory(struct readback_cgroup *c, const char *text)
{
    char *end;
    uint64_t bytes = strtoull(text, &end, 10); /* "max" is none */
    if (end != text && bytes < CGROUP_NO_LIMIT && (c->memory == 0 || bytes < c->memory))
        c->memory = bytes;
}

/* Only the nearest: what a group may use lies within what those above may. */
static void cgroup_cpus(struct readback_cgroup *c, const char *dir, const char *name)
{
    if (!c->cpus[0])
        (void)cgroup_file(dir, name, c->cpus, sizeof c->cpus);
}

static void cgroup_look_v2(struct readback_cgroup *c, const char *dir)
{
    char text[64];
    long long quota, period;
    if (cgroup_file(dir, "cpu.max", text, sizeof text) &&
        sscanf(text, "%lld %lld", &quota, &period) == 2)
        cgroup_quota(c, dir, quota, period);
    if (cgroup_file(dir, "memory.max", text, sizeof text))
        cgroup_memory(c, text);
    cgroup_cpus(c, dir, "cpuset.cpus.effective");
}

static void cgroup_look_cpu(struct readback_cgroup *c, const char *dir)
{
    char quota[64], period[64];
    if (cgroup_file(dir, "cpu.cfs_quota_us", quota, sizeof quota) &&
        cgroup_file(dir, "cpu.cfs_period_us", period, sizeof period))
        cgroup_quota(c, dir, strtoll(quota, NULL, 10), strtoll(period, NULL, 10));
}

static void cgroup_look_cpuset(struct readback_cgroup *c, const char *dir)
{
    cgroup_cpus(c, dir, "cpuset.effective_cpus");
    cgroup_cpus(c, dir, "cpuset.cpus");
}

static void cgroup_look_memory(struct readback_cgroup *c, const char *dir)
{
    char text[64];
    if (cgroup_file(dir, "memory.limit_in_bytes", text, sizeof text))
        cgroup_memory(c, text);
}

/* The group and those above it, up to where the tree is mounted. */
static void cgroup_climb(struct readback_cgroup *c, char *dir,
                         void (*look)(struct readback_cgroup *c, const char *dir))
{
    char procs[PATH_MAX + 64];
    for (int i = 0; i < CGROUP_LEVELS; i++) {
        (void)snprintf(procs, sizeof procs, "%s/cgroup.procs", dir);
        if (access(procs, F_OK) < 0)
            break;
        c->known = true;
        look(c, dir);
        char *slash = strrchr(dir, '/');
        if (!slash || slash == dir)
            break;
        *slash = '\0';
    }
}

void readback_cgroup_read(const char *root, const char *mountinfo, const char *own,
                          struct readback_cgroup *ret)
{
    static const struct {
        const char *controller; /* NULL: version 2 */
        void (*look)(struct readback_cgroup *c, const char *dir);
    } trees[] = {{NULL, cgroup_look_v2},
                 {"cpu", cgroup_look_cpu},
                 {"cpuset", cgroup_look_cpuset},
                 {"memory", cgroup_look_memory}};
    memset(ret, 0, sizeof *ret);
    for (size_t i = 0; i < sizeof trees / sizeof *trees; i++) {
        char dir[PATH_MAX];
        struct buf path;
        buf_init(&path, PATH_MAX);
        if (cgroup_locate(mountinfo, own, trees[i].controller, &path) == 0) {
            int n = snprintf(dir, sizeof dir, "%s%s", root, (const char *)path.data);
            if (n > 0 && (size_t)n < sizeof dir)
                cgroup_climb(ret, dir, trees[i].look);
        }
        buf_fini(&path);
    }
}
