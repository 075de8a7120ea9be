/* SPDX-License-Identifier: MIT */
/* machine_cpu.c - what the CPU and the kernel say of themselves in several places, read the
 * same way by every probe. */
#include "agent/audit/machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CPU \
    16384u /* of /proc/cpuinfo: one CPU's lines, the flags are the longest */

/* Beyond the highest leaf Intel's CPUs answer with the highest one, which means nothing. */
bool machine_leaf(const struct machine *m, uint32_t leaf, uint32_t sub, uint32_t ret[4])
{
    uint32_t most[4];
    uint32_t kind = leaf & 0xc0000000u;
    if (!machine_cpuid(m, leaf, sub, ret))
        return false;
    if (kind == 0x40000000u || leaf == kind || !machine_cpuid(m, kind, 0, most))
        return true;
    if (leaf > most[0] || most[0] >> 30 != kind >> 30)
        memset(ret, 0, 4 * sizeof *ret);
    return true;
}

/* An empty line ends what is said of a CPU. */
int machine_cpuinfo(const struct machine *m, const char *key, char *ret, size_t size)
{
    char text[FIRST_CPU];
    size_t len = strlen(key);
    ssize_t n = machine_read(m, "/proc/cpuinfo", text, sizeof text);
    if (n < 0)
        return (int)n;
    for (char *at = text; *at && *at != '\n'; at += strcspn(at, "\n"), at += !!*at) {
        if (strncmp(at, key, len) != 0 || at[len + strspn(at + len, " \t")] != ':')
            continue;
        at += strcspn(at, ":") + 1;
        at += strspn(at, " \t");
        return snprintf(ret, size, "%.*s", (int)strcspn(at, "\n"), at) < (int)size
                   ? 0
                   : -E2BIG;
    }
    return -ENODATA;
}

bool machine_has_word(const char *text, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = text; *(at += strspn(at, " \t\n"));
         at += strcspn(at, " \t\n"))
        if (strcspn(at, " \t\n") == len && !strncmp(at, word, len))
            return true;
    return false;
}

bool machine_choice(const char *text, char *ret, size_t size)
{
    const char *from = strchr(text, '['), *to = from ? strchr(from, ']') : NULL;
    return to &&
           snprintf(ret, size, "%.*s", (int)(to - from - 1), from + 1) < (int)size;
}

int machine_flag(const struct machine *m, const char *flag)
{
    char flags[8192];
    if (machine_cpuinfo(m, "flags", flags, sizeof flags) < 0)
        return -1;
    return machine_has_word(flags, flag);
}

bool machine_is_root(const struct machine *m)
{
    char map[128];
    unsigned long inside, outside, n;
    if (machine_uid(m) != 0)
        return false;
    if (machine_line(m, "/proc/self/uid_map", map, sizeof map) < 0)
        return true;
    return sscanf(map, "%lu %lu %lu", &inside, &outside, &n) == 3 && inside == 0 &&
           outside == 0 && n == 4294967295ul;
}

char *machine_text(const struct machine *m, const char *path, size_t most, int *ret)
{
    size_t size = most + 2;
    char *text = malloc(size);
    ssize_t n = text ? machine_read(m, path, text, size) : -ENOMEM;
    *ret = n < 0 ? (int)n : n > (ssize_t)most ? -E2BIG : 0;
    if (*ret < 0) {
        free(text);
        return NULL;
    }
    return text;
}
