/* SPDX-License-Identifier: MIT */
/* nodesignals_cgroup.c - see nodesignals_cgroup.h. */
#include "agent/nodesignals_cgroup.h"

#include "agent/cgroup.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What the quota took: version 2 in us, version 1 in ns. */
static bool level_throttled(const char *text, uint64_t *ret_us)
{
    if (nodesignals_number_of(text, "throttled_usec", ret_us))
        return true;
    if (!nodesignals_number_of(text, "throttled_time", ret_us))
        return false;
    *ret_us /= 1000;
    return true;
}

static bool level_read(const struct nodesignals_file *f, uint64_t *ret_us)
{
    char text[4096];
    return nodesignals_file_read(f, text, sizeof text) > 0 &&
           level_throttled(text, ret_us);
}

/* False: there is no such file, or it says nothing of quotas. */
static bool cgroup_add_level(struct nodesignals_cgroup *c, bool reopen, const char *dir,
                             const char *name)
{
    struct nodesignals_level level = {0};
    uint64_t us;
    if (c->n == NODESIGNALS_LEVELS ||
        nodesignals_file_open(&level.file, reopen, "%s/%s", dir, name) < 0)
        return false;
    bool known = level_read(&level.file, &us), is_there = false;
    for (size_t i = 0; known && i < c->n; i++)
        is_there = is_there || strcmp(c->levels[i].file.path, level.file.path) == 0;
    if (known && !is_there)
        c->levels[c->n++] = level;
    else
        nodesignals_file_close(&level.file);
    return known;
}

static bool cgroup_has(const char *dir, const char *name)
{
    char path[PATH_MAX + 64];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return access(path, F_OK) == 0;
}

/* The group and those above it, up to where the tree is mounted; dir becomes that. Or up to
 * the first that has cpu.stat.local (Linux 6.7), which knows of all above it, also of those
 * that a container cannot see. */
static bool cgroup_climb(struct nodesignals_cgroup *c, bool reopen, char dir[PATH_MAX])
{
    if (!cgroup_has(dir, "cgroup.procs"))
        return false;
    for (unsigned i = 0; i < NODESIGNALS_LEVELS; i++) {
        if (cgroup_add_level(c, reopen, dir, "cpu.stat.local"))
            break;
        (void)cgroup_add_level(c, reopen, dir, "cpu.stat");
        char *slash = strrchr(dir, '/');
        if (!slash || slash == dir)
            break;
        *slash = '\0';
        if (!cgroup_has(dir, "cgroup.procs")) {
            *slash = '/';
            break;
        }
    }
    return true;
}

static bool cgroup_find(const char *root, const char *mountinfo, const char *own,
                        const char *controller, char dir[PATH_MAX])
{
    struct buf path;
    buf_init(&path, PATH_MAX);
    int n = cgroup_locate(mountinfo, own, controller, &path) < 0
                ? -1
                : snprintf(dir, PATH_MAX, "%s%s", root, (const char *)path.data);
    buf_fini(&path);
    return n > 0 && n < PATH_MAX;
}

/* A line "4:cpu,cpuacct:/..." */
static bool cgroup_is_v1(const char *own)
{
    for (const char *line = own; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        const char *p = strchr(line, ':'), *end = p ? strchr(p + 1, ':') : NULL;
        for (; p && end && p < end; p = memchr(p + 1, ',', (size_t)(end - p - 1)))
            if (strncmp(p + 1, "cpu", 3) == 0 && (p[4] == ',' || p[4] == ':'))
                return true;
    }
    return false;
}

void nodesignals_cgroup_add(struct nodesignals_cgroup *c, const char *root, bool reopen,
                            const char *mountinfo, const char *own)
{
    char dir[PATH_MAX];
    if (cgroup_is_v1(own)) {
        if (cgroup_find(root, mountinfo, own, "cpu", dir))
            (void)cgroup_climb(c, reopen, dir);
        return;
    }
    /* Only the root of all groups has no events: above any other there may be more. */
    if (cgroup_find(root, mountinfo, own, NULL, dir) && cgroup_climb(c, reopen, dir) &&
        !cgroup_has(dir, "cgroup.events"))
        c->is_free = c->n == 0;
}

void nodesignals_cgroup_fini(struct nodesignals_cgroup *c)
{
    for (size_t i = 0; i < c->n; i++)
        nodesignals_file_close(&c->levels[i].file);
    c->n = 0;
}

void nodesignals_cgroup_read(struct nodesignals_cgroup *c, struct nodesignals_sum *ret)
{
    bool all = c->n > 0 || c->is_free;
    size_t kept = 0;
    for (size_t i = 0; i < c->n; i++) {
        struct nodesignals_level *l = &c->levels[i];
        uint64_t now = 0, more;
        bool is_there = level_read(&l->file, &now);
        all = nodesignals_count(&l->throttled, is_there, now, &more) && all;
        ret->throttled_us += more;
        if (!is_there && access(l->file.path, F_OK) < 0)
            nodesignals_file_close(&l->file); /* a rank's own group, gone with it */
        else
            c->levels[kept++] = *l;
    }
    c->n = kept;
    if (all)
        ret->known |= NODESIGNALS_QUOTA;
    else
        ret->throttled_us = 0;
}
