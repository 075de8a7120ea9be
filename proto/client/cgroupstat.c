/* SPDX-License-Identifier: MIT */
/* cgroupstat.c - reads cpu.stat of version 1 and 2.
 *
 * A group's cpu.stat knows only of its own quota, so that of each group above it counts
 * as well, as far up as is mounted. cpu.stat.local (Linux 6.7) knows of all of them at
 * once, also of those that a container cannot see, and does not make the kernel add up
 * other numbers first: where there is one it is the only file that is read.
 *
 * No memory is allocated, for which every size here is bounded. What cannot be read is
 * no growth: the run delay then stays without this explanation.
 */
#include "proto/client/cgroupstat.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Run delay that may be quota of a group that was never seen throttled. */
#define DELAY_WORTH_A_LOOK_NS 100000u
#define MOUNTS_BYTES          (2u << 20) /* of /proc/self/mountinfo, at most */

/* ---- lines of a file of /proc */

struct lines {
    int fd;
    size_t have, used, left; /* left: bytes that may still be read */
    char text[2048];
};

static void lines_refill(struct lines *l)
{
    memmove(l->text, l->text + l->used, l->have - l->used);
    l->have -= l->used;
    l->used = 0;
    size_t room = sizeof l->text - 1 - l->have;
    ssize_t n = read(l->fd, l->text + l->have, room < l->left ? room : l->left);
    if (n <= 0)
        l->left = 0;
    else {
        l->have += (size_t)n;
        l->left -= (size_t)n;
    }
}

/* NULL: no more. A line that does not fit is skipped. */
static char *lines_next(struct lines *l)
{
    bool cut = false;
    for (;;) {
        char *from = l->text + l->used;
        char *end = memchr(from, '\n', l->have - l->used);
        if (end) {
            *end = '\0';
            l->used = (size_t)(end + 1 - l->text);
            if (!cut)
                return from;
            cut = false;
            continue;
        }
        if (l->left == 0)
            return NULL;
        if (l->have - l->used >= sizeof l->text - 1) {
            l->used = l->have;
            cut = true;
        }
        lines_refill(l);
    }
}

static bool lines_open(struct lines *l, const char *path, size_t most)
{
    l->fd = open(path, O_RDONLY | O_CLOEXEC);
    l->have = l->used = 0;
    l->left = most;
    return l->fd >= 0;
}

/* ---- where the group is */

static bool lists(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *p = list; p; p = strchr(p, ',')) {
        p += *p == ',';
        if (strncmp(p, word, n) == 0 && (p[n] == ',' || p[n] == '\0'))
            return true;
    }
    return false;
}

/* Lines "id:controllers:path". That of version 2 has no controllers, and counts unless
 * version 1 has the CPU. The first character of *ret says which: '1' or '2'. */
static void own_parse(struct lines *l, char *ret, size_t size)
{
    char *line;
    *ret = '\0';
    while ((line = lines_next(l))) {
        char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;
        if (!path || path[1] != '/')
            continue;
        *path++ = '\0';
        list++;
        bool v1 = lists(list, "cpu"), v2 = *list == '\0';
        if (v1 || v2)
            *ret = '\0';
        if ((v1 || v2) && strlen(path) + 2 <= size && !strstr(path, "/.."))
            (void)snprintf(ret, size, "%c%s", v1 ? '1' : '2', path);
        if (v1)
            return;
    }
}

static char *word_next(char **at)
{
    char *from = *at;
    if (!from)
        return NULL;
    *at = strchr(from, ' ');
    if (*at)
        *(*at)++ = '\0';
    return from;
}

/* A line "id parent device root mount-point options [tags] - type source options" of the
 * hierarchy that own is in: false, or the folder of the group and how much of it is the
 * mount point. */
static bool mount_parse(char *line, const char *own, char *ret, size_t size,
                        size_t *ret_top)
{
    char *dash = strstr(line, " - "), *at = line;
    if (!dash)
        return false;
    *dash = '\0';
    dash += 3;
    const char *type = word_next(&dash);
    (void)word_next(&dash);
    if (!dash || (*own == '2' ? strcmp(type, "cgroup2") != 0
                              : strcmp(type, "cgroup") != 0 || !lists(dash, "cpu")))
        return false;
    for (int i = 0; i < 3; i++)
        (void)word_next(&at);
    const char *root = word_next(&at), *folder = word_next(&at), *path = own + 1;
    if (!folder)
        return false;
    /* Only a part of the tree may be mounted: its root is cut off the path. */
    size_t cut = strcmp(root, "/") == 0 ? 0 : strlen(root);
    if (strncmp(path, root, cut) != 0 || (path[cut] && path[cut] != '/'))
        return false;
    const char *rest = strcmp(path + cut, "/") == 0 ? "" : path + cut;
    int n = snprintf(ret, size, "%s%s", folder, rest);
    *ret_top = strlen(folder);
    return n > 0 && (size_t)n < size;
}

static bool folder_find(const char *own, char *ret, size_t size, size_t *ret_top)
{
    struct lines l;
    char *line;
    bool found = false;
    if (!*own || !lines_open(&l, "/proc/self/mountinfo", MOUNTS_BYTES))
        return false;
    while (!found && (line = lines_next(&l)))
        found = mount_parse(line, own, ret, size, ret_top);
    close(l.fd);
    return found;
}

/* ---- its counters */

/* "throttled_usec N" in version 2, "throttled_time N" (ns) in version 1. */
static bool stat_parse(const char *text, uint64_t *ret_ns)
{
    static const char key[] = "throttled_";
    const char *p = text;
    uint64_t v = 0, unit;
    while (p && strncmp(p, key, sizeof key - 1) != 0)
        p = (p = strchr(p, '\n')) ? p + 1 : NULL;
    if (!p)
        return false;
    p += sizeof key - 1;
    unit = strncmp(p, "usec ", 5) == 0 ? 1000 : strncmp(p, "time ", 5) == 0 ? 1 : 0;
    if (unit == 0 || p[5] < '0' || p[5] > '9')
        return false;
    for (p += 5; *p >= '0' && *p <= '9'; p++)
        v = v * 10 + (uint64_t)(*p - '0');
    *ret_ns = v * unit;
    return true;
}

static bool level_read(const struct cgroupstat_level *v, uint64_t *ret_ns)
{
    char text[512];
    return keptfd_read(&v->file, text, sizeof text) && stat_parse(text, ret_ns);
}

/* False: there is no such file, or it says nothing of quotas. */
static bool level_add(struct cgroupstat *g, const char *folder, const char *name)
{
    char path[1024];
    struct cgroupstat_level v = {.file.fd = -1};
    int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (n < 0 || (size_t)n >= sizeof path || !keptfd_open(&v.file, path))
        return false;
    if (!level_read(&v, &v.last_ns)) {
        keptfd_close(&v.file);
        return false;
    }
    g->level[g->n++] = v;
    return true;
}

static void levels_open(struct cgroupstat *g)
{
    char folder[1024];
    size_t top;
    if (!folder_find(g->own, folder, sizeof folder, &top))
        return;
    while (g->n < CGROUPSTAT_LEVELS && !level_add(g, folder, "cpu.stat.local")) {
        (void)level_add(g, folder, "cpu.stat");
        char *last = strrchr(folder, '/');
        if (!last || (size_t)(last - folder) < top)
            return;
        *last = '\0';
    }
}

static bool levels_are_ours(const struct cgroupstat *g)
{
    for (unsigned i = 0; i < g->n; i++) {
        if (!keptfd_is_ours(&g->level[i].file))
            return false;
    }
    return true;
}

static void levels_read(struct cgroupstat *g, bool all)
{
    for (unsigned i = 0; i < g->n; i++) {
        struct cgroupstat_level *v = &g->level[i];
        uint64_t now;
        if ((!v->grows && !all) || !level_read(v, &now))
            continue;
        if (now > v->last_ns) {
            g->sum_ns += now - v->last_ns;
            v->grows = true;
        }
        v->last_ns = now;
    }
}

/* ---- the interface */

void cgroupstat_look(struct cgroupstat *g)
{
    struct lines l;
    char own[sizeof g->own] = "";
    if (lines_open(&l, "/proc/thread-self/cgroup", 65536)) {
        own_parse(&l, own, sizeof own);
        close(l.fd);
    }
    if (strcmp(own, g->own) == 0 && levels_are_ours(g)) {
        levels_read(g, true);
        return;
    }
    cgroupstat_close(g);
    memcpy(g->own, own, sizeof own);
    levels_open(g);
}

uint64_t cgroupstat_read(struct cgroupstat *g, uint64_t delay_ns)
{
    bool all = delay_ns - g->read_at_delay_ns >= DELAY_WORTH_A_LOOK_NS;
    if (all)
        g->read_at_delay_ns = delay_ns;
    levels_read(g, all);
    return g->sum_ns;
}

void cgroupstat_close(struct cgroupstat *g)
{
    for (unsigned i = 0; i < g->n; i++)
        keptfd_close(&g->level[i].file);
    g->n = 0;
    g->own[0] = '\0';
}
