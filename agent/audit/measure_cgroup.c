/* SPDX-License-Identifier: MIT */
/* measure_cgroup.c - see measure_cgroup.h. */
#include "agent/audit/measure_cgroup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES 16384u
#define ROOT       "/sys/fs/cgroup"

static void up_to_root(const struct machine *m, const char *root, const char *group,
                       bool v2, measure_cgroup_f f, void *arg)
{
    char dir[MACHINE_PATH];
    int n = snprintf(dir, sizeof dir, "%s%s", root, strcmp(group, "/") ? group : "");
    if (n < 0 || (size_t)n >= sizeof dir)
        return;
    for (;;) {
        f(m, dir, v2, arg);
        char *slash = strrchr(dir, '/');
        if (!slash || strlen(dir) <= strlen(root))
            return;
        *slash = '\0';
    }
}

/* "cpu,cpuacct" has "cpu". */
static bool is_among(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = list; (at = strstr(at, name)); at += len)
        if ((at == list || at[-1] == ',') && (at[len] == ',' || at[len] == '\0'))
            return true;
    return false;
}

/* Lines "0::/a/b" (version 2) and "9:memory:/a/b" (version 1). */
void measure_cgroup_each(const struct machine *m, const char *controller,
                         measure_cgroup_f f, void *arg)
{
    char text[TEXT_BYTES], root[64], *save = NULL;
    if (machine_read(m, "/proc/self/cgroup", text, sizeof text) <= 0)
        return;
    (void)snprintf(root, sizeof root, ROOT "/%s", controller);
    for (char *line = strtok_r(text, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        char *names = strchr(line, ':'), *group = names ? strchr(names + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        bool v2 = !names[1];
        if (v2 || is_among(names + 1, controller))
            up_to_root(m, v2 ? ROOT : root, group, v2, f, arg);
    }
}

static uint64_t number_after(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at && (at == text || at[-1] == '\n') ? strtoull(at + strlen(name), NULL, 10)
                                                : 0;
}

static void most_throttled(const struct machine *m, const char *dir, bool v2, void *arg)
{
    char path[MACHINE_PATH + 64], text[TEXT_BYTES];
    uint64_t *most = arg;
    (void)snprintf(path, sizeof path, "%s/cpu.stat", dir);
    if (machine_read(m, path, text, sizeof text) <= 0)
        return;
    uint64_t ns = v2 ? number_after(text, "throttled_usec ") * 1000
                     : number_after(text, "throttled_time ");
    *most = ns > *most ? ns : *most;
}

uint64_t measure_cgroup_throttled_ns(const struct machine *m)
{
    uint64_t most = 0;
    measure_cgroup_each(m, "cpu", most_throttled, &most);
    return most;
}
