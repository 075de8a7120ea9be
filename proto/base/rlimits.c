/* SPDX-License-Identifier: MIT */
/* rlimits.c - see rlimits.h. */
#include "proto/base/rlimits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *text;
    const char *line; /* of /proc/PID/limits */
    __rlimit_resource_t resource;
    bool bytes;
    bool to_hard;
} table[RLIMITS_N] = {
    [RLIMITS_MEMLOCK] = {"memlock", "Max locked memory ", RLIMIT_MEMLOCK, true, true},
    [RLIMITS_STACK] = {"stack", "Max stack size ", RLIMIT_STACK, true, false},
    [RLIMITS_CORE] = {"core", "Max core file size ", RLIMIT_CORE, true, false},
    [RLIMITS_NOFILE] = {"nofile", "Max open files ", RLIMIT_NOFILE, false, false},
};

void rlimits_read(struct rlimits *ret)
{
    for (size_t i = 0; i < RLIMITS_N; i++)
        ret->known[i] = getrlimit(table[i].resource, &ret->v[i]) == 0;
}

void rlimits_raise(const struct rlimits *found, const struct rlimits *wanted,
                   struct rlimits *ret)
{
    *ret = *found;
    for (size_t i = 0; i < RLIMITS_N; i++) {
        struct rlimit *l = &ret->v[i];
        rlim_t want = table[i].to_hard   ? l->rlim_max
                      : wanted->known[i] ? wanted->v[i].rlim_cur
                                         : 0;
        if (want > l->rlim_max)
            want = l->rlim_max;
        if (want > l->rlim_cur)
            l->rlim_cur = want;
    }
}

void rlimits_apply(const struct rlimits *l)
{
    for (size_t i = 0; i < RLIMITS_N; i++) {
        if (l->known[i])
            (void)setrlimit(table[i].resource, &l->v[i]);
    }
}

static rlim_t rlimits_number(const char **p)
{
    char *end;
    *p += strspn(*p, " ");
    if (strncmp(*p, "unlimited", 9) == 0) {
        *p += 9;
        return RLIM_INFINITY;
    }
    rlim_t v = strtoull(*p, &end, 10);
    *p = end;
    return v;
}

void rlimits_parse(const char *text, struct rlimits *ret)
{
    *ret = (struct rlimits){0};
    for (size_t i = 0; i < RLIMITS_N; i++) {
        const char *p = strstr(text, table[i].line);
        if (!p)
            continue;
        p += strlen(table[i].line);
        p += strspn(p, " ");
        if (*p != 'u' && (*p < '0' || *p > '9'))
            continue;
        ret->v[i].rlim_cur = rlimits_number(&p);
        ret->v[i].rlim_max = rlimits_number(&p);
        ret->known[i] = true;
    }
}

const char *rlimits_text(enum rlimits_name name)
{
    return table[name].text;
}

int rlimits_find(const char *text)
{
    for (int i = 0; i < RLIMITS_N; i++) {
        if (strcmp(table[i].text, text) == 0)
            return i;
    }
    return -1;
}

const char *rlimits_value(enum rlimits_name name, rlim_t value, char ret[RLIMITS_VALUE])
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    unsigned long long n = value;
    if (value == RLIM_INFINITY) {
        (void)snprintf(ret, RLIMITS_VALUE, "unlimited");
        return ret;
    }
    /* Only whole units: two limits that differ must not read alike. */
    while (table[name].bytes && n > 0 && n % 1024 == 0 && unit < 4) {
        n /= 1024;
        unit++;
    }
    if (!table[name].bytes || n == 0)
        (void)snprintf(ret, RLIMITS_VALUE, "%llu", n);
    else
        (void)snprintf(ret, RLIMITS_VALUE, "%llu %s", n, units[unit]);
    return ret;
}
