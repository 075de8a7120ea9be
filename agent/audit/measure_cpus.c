/* SPDX-License-Identifier: MIT */
/* measure_cpus.c - see measure_cpus.h. A list of CPUs that share something is read of its
 * first CPU alone: of 256 CPUs all files would take a tenth of a second. */
#include "agent/audit/measure_cpus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/limits.h"
#include "proto/base/rankset.h"

#define CPU_DIR       "/sys/devices/system/cpu"
#define NODE_DIR      "/sys/devices/system/node"
#define LIST_BYTES    4096u
#define CACHE_INDEXES 8u
/* Where it is not told: as much as a large processor has. */
#define CACHE_UNKNOWN (64ull << 20)

/* Memory may run out while a list is parsed; that looks like a list that is not there. */
static bool read_list(const struct machine *m, const char *path, struct rankset *ret)
{
    char text[LIST_BYTES];
    return machine_line(m, path, text, sizeof text) == 0 &&
           rankset_parse(ret, text, NULL) == 0;
}

static void find_numa(const struct machine *m, struct measure_cpus *c)
{
    char **names, path[MACHINE_PATH];
    int n = machine_list(m, NODE_DIR, &names);
    for (int i = 0; i < n; i++) {
        struct rankset there = {0};
        char *end;
        unsigned long id =
            strncmp(names[i], "node", 4) ? LIMIT_NUMA : strtoul(names[i] + 4, &end, 10);
        if (id >= LIMIT_NUMA || end == names[i] + 4 || *end)
            continue;
        (void)snprintf(path, sizeof path, NODE_DIR "/node%lu/cpulist", id);
        bool told = read_list(m, path, &there);
        for (size_t k = 0; told && k < c->n; k++)
            if (rankset_has(&there, c->cpus[k].cpu))
                c->cpus[k].numa = (uint32_t)id;
        rankset_fini(&there);
    }
    machine_free_names(names, n);
}

static int by_number(const void *a, const void *b)
{
    const struct measure_cpu *x = a, *y = b;
    return x->cpu < y->cpu ? -1 : x->cpu > y->cpu;
}

/* Those of a core that are in one NUMA node: of some guests the others are elsewhere, and
 * memory is measured by one thread at least of each node. */
static void add_siblings(const struct measure_cpus *c, const struct measure_cpu *lead,
                         const struct rankset *core, struct rankset *led)
{
    for (int64_t at = rankset_next(core, 0); at >= 0;
         at = rankset_next(core, (uint32_t)at + 1)) {
        struct measure_cpu key = {.cpu = (uint32_t)at};
        const struct measure_cpu *o =
            bsearch(&key, c->cpus, c->n, sizeof *c->cpus, by_number);
        if (o && o->numa == lead->numa)
            (void)rankset_add(led, o->cpu);
    }
}

static void find_leads(const struct machine *m, struct measure_cpus *c)
{
    struct rankset led = {0};
    for (size_t i = 0; i < c->n; i++) {
        struct rankset core = {0};
        char path[MACHINE_PATH];
        if (rankset_has(&led, c->cpus[i].cpu))
            continue;
        c->cpus[i].leads = true;
        (void)snprintf(path, sizeof path,
                       CPU_DIR "/cpu%u/topology/thread_siblings_list", c->cpus[i].cpu);
        if (read_list(m, path, &core))
            add_siblings(c, &c->cpus[i], &core, &led);
        rankset_fini(&core);
    }
    rankset_fini(&led);
}

/* "32768K", "1M": bytes; 0: neither. */
static uint64_t size_of(const char *text)
{
    char *end;
    unsigned long long v = strtoull(text, &end, 10);
    uint64_t unit = *end == 'K' ? 1u << 10 : *end == 'M' ? 1u << 20 : *end ? 0 : 1;
    return end == text || v > (1ull << 30) ? 0 : v * unit;
}

/* The last of a CPU's caches: its bytes, and whose it is besides. */
static uint64_t last_cache(const struct machine *m, uint32_t cpu,
                           struct rankset *shared)
{
    char path[MACHINE_PATH], text[32];
    uint64_t bytes = 0;
    int64_t last = 0, level;
    for (unsigned i = 0; i < CACHE_INDEXES; i++) {
        (void)snprintf(path, sizeof path, CPU_DIR "/cpu%u/cache/index%u/level", cpu, i);
        if (machine_int(m, path, &level) < 0)
            break;
        if (level <= last)
            continue;
        (void)snprintf(path, sizeof path, CPU_DIR "/cpu%u/cache/index%u/size", cpu, i);
        if (machine_line(m, path, text, sizeof text) < 0 || !size_of(text))
            continue;
        last = level;
        bytes = size_of(text);
        (void)snprintf(path, sizeof path,
                       CPU_DIR "/cpu%u/cache/index%u/shared_cpu_list", cpu, i);
        if (!read_list(m, path, shared))
            (void)rankset_add(shared, cpu);
    }
    return bytes;
}

static uint64_t caches(const struct machine *m, const struct measure_cpus *c,
                       uint32_t numa)
{
    struct rankset seen = {0};
    uint64_t bytes = 0;
    for (size_t i = 0; i < c->n; i++) {
        struct rankset shared = {0};
        if (c->cpus[i].numa != numa || rankset_has(&seen, c->cpus[i].cpu))
            continue;
        bytes += last_cache(m, c->cpus[i].cpu, &shared);
        (void)rankset_merge(&seen, &shared);
        rankset_fini(&shared);
    }
    rankset_fini(&seen);
    return bytes ? bytes : CACHE_UNKNOWN;
}

static int by_numa(const void *a, const void *b)
{
    const struct measure_numa *x = a, *y = b;
    return x->numa < y->numa ? -1 : x->numa > y->numa;
}

static void gather(const struct machine *m, struct measure_cpus *c)
{
    for (size_t i = 0; i < c->n; i++) {
        size_t k = 0;
        while (k < c->n_numas && c->numas[k].numa != c->cpus[i].numa)
            k++;
        if (k == c->n_numas)
            c->numas[c->n_numas++] = (struct measure_numa){.numa = c->cpus[i].numa};
        c->numas[k].n_cores += c->cpus[i].leads;
    }
    for (size_t k = 0; k < c->n_numas; k++)
        c->numas[k].cache_bytes = caches(m, c, c->numas[k].numa);
    qsort(c->numas, c->n_numas, sizeof *c->numas, by_numa);
}

int measure_cpus_read(const struct machine *m, const uint32_t *cpus, size_t n,
                      struct measure_cpus *ret)
{
    *ret = (struct measure_cpus){.n = n};
    ret->cpus = calloc(n + 1, sizeof *ret->cpus);
    ret->numas = calloc(n + 1, sizeof *ret->numas);
    if (!ret->cpus || !ret->numas) {
        measure_cpus_fini(ret);
        return -ENOMEM;
    }
    for (size_t i = 0; i < n; i++)
        ret->cpus[i].cpu = cpus[i];
    find_numa(m, ret);
    find_leads(m, ret);
    gather(m, ret);
    return 0;
}

void measure_cpus_fini(struct measure_cpus *c)
{
    free(c->cpus);
    free(c->numas);
    *c = (struct measure_cpus){0};
}
