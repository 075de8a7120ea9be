/* SPDX-License-Identifier: MIT */
/* measure_room.c - see measure_room.h. A limit that is exceeded ends the job beside us, so
 * each one up to the root counts. */
#include "agent/audit/measure_room.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/audit/measure_cgroup.h"
#include "proto/base/rankset.h"

#define TEXT_BYTES 16384u

/* "name:   123 kB" or "name 123", anywhere in a line. */
static bool field(const char *text, const char *name, uint64_t *ret)
{
    size_t len = strlen(name);
    for (const char *at = text; (at = strstr(at, name)); at += len) {
        bool begins = at == text || at[-1] == '\n' || at[-1] == ' ';
        if (!begins || !strchr(": ", at[len]))
            continue;
        char *end;
        const char *from = at + len + (at[len] == ':');
        *ret = strtoull(from, &end, 10);
        if (end == from)
            return false;
        *ret *= strncmp(end, " kB", 3) ? 1 : 1024;
        return true;
    }
    return false;
}

/* A cpuset may forbid it: what is touched comes from other nodes then, where it would come
 * on top of what is measured of those. */
static bool is_forbidden(const struct machine *m, uint32_t numa)
{
    char text[TEXT_BYTES], list[1024];
    struct rankset allowed = {0};
    const char *at;
    bool is = false;
    if (machine_read(m, "/proc/self/status", text, sizeof text) > 0 &&
        (at = strstr(text, "\nMems_allowed_list:")) &&
        sscanf(at, "\nMems_allowed_list: %1023[0-9,-]", list) == 1 &&
        rankset_parse(&allowed, list, NULL) == 0)
        is = !rankset_has(&allowed, numa);
    rankset_fini(&allowed);
    return is;
}

uint64_t measure_room_numa(const struct machine *m, uint32_t numa)
{
    char path[MACHINE_PATH], text[TEXT_BYTES];
    uint64_t free_bytes, cached = 0;
    if (is_forbidden(m, numa))
        return 0;
    (void)snprintf(path, sizeof path, "/sys/devices/system/node/node%u/meminfo", numa);
    if (machine_read(m, path, text, sizeof text) > 0 &&
        field(text, "MemFree", &free_bytes)) {
        (void)field(text, "Inactive(file)", &cached);
        return free_bytes + cached;
    }
    if (machine_read(m, "/proc/meminfo", text, sizeof text) > 0 &&
        field(text, "MemAvailable", &free_bytes))
        return free_bytes;
    return UINT64_MAX;
}

/* "max" is no number. Beyond the high one a group is slowed down until it gives back, which
 * nobody does who measures. */
static uint64_t limit_of(const struct machine *m, const char *dir, bool v2)
{
    static const char *const names[] = {"memory.max", "memory.high",
                                        "memory.limit_in_bytes"};
    uint64_t least = UINT64_MAX;
    for (unsigned i = v2 ? 0 : 2; i < (v2 ? 2u : 3u); i++) {
        char path[MACHINE_PATH + 64];
        int64_t most;
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        if (machine_int(m, path, &most) == 0 && (uint64_t)most < least)
            least = (uint64_t)most;
    }
    return least;
}

/* What one group's files say: those of version 2, or of version 1. */
static uint64_t of_group(const struct machine *m, const char *dir, bool v2)
{
    char path[MACHINE_PATH + 64], text[TEXT_BYTES];
    int64_t used;
    uint64_t cached = 0, most = limit_of(m, dir, v2);
    if (most == UINT64_MAX)
        return UINT64_MAX;
    (void)snprintf(path, sizeof path, "%s/%s", dir,
                   v2 ? "memory.current" : "memory.usage_in_bytes");
    if (machine_int(m, path, &used) < 0)
        return UINT64_MAX;
    (void)snprintf(path, sizeof path, "%s/memory.stat", dir);
    if (machine_read(m, path, text, sizeof text) > 0)
        (void)field(text, v2 ? "inactive_file" : "total_inactive_file", &cached);
    uint64_t taken = (uint64_t)used > cached ? (uint64_t)used - cached : 0;
    return most > taken ? most - taken : 0;
}

static void least_room(const struct machine *m, const char *dir, bool v2, void *arg)
{
    uint64_t *least = arg, room = of_group(m, dir, v2);
    *least = room < *least ? room : *least;
}

uint64_t measure_room_cgroup(const struct machine *m)
{
    uint64_t least = UINT64_MAX;
    measure_cgroup_each(m, "memory", least_room, &least);
    return least;
}
