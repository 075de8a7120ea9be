/* SPDX-License-Identifier: MIT */
/* measure_kernel.c - see measure_kernel.h. */
#include "agent/audit/measure_kernel.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/limits.h"

#define TEXT_BYTES  (64u << 10)
#define STAT_MOST   (4u << 20)
#define IRQS_MOST   (32u << 20) /* 8192 CPUs have 100 kB a line */
#define STEAL_FIELD 8u          /* user nice system idle iowait irq softirq steal */
#define BUSY_FIELDS 3u

#define CPUID_HYPERVISOR      0x40000000u
#define CPUID_HYPERVISOR_LAST 0x40010000u /* one may be below another: each 0x100 */
#define KVM_FEATURE_STEAL     (1u << 5)

int measure_kernel_init(struct measure_kernel *k)
{
    *k = (struct measure_kernel){.n = LIMIT_CPUS};
    k->steal = calloc(k->n, sizeof *k->steal);
    k->interrupts = calloc(k->n, sizeof *k->interrupts);
    k->timer = calloc(k->n, sizeof *k->timer);
    if (k->steal && k->interrupts && k->timer)
        return 0;
    measure_kernel_fini(k);
    return -ENOMEM;
}

void measure_kernel_fini(struct measure_kernel *k)
{
    free(k->steal);
    free(k->interrupts);
    free(k->timer);
    *k = (struct measure_kernel){0};
}

char *measure_kernel_text(const struct machine *m, const char *path, size_t most)
{
    char *text = NULL;
    for (size_t size = TEXT_BYTES;; size *= 2) {
        size = size < most ? size : most;
        char *more = realloc(text, size);
        ssize_t n = more ? machine_read(m, path, more, size) : -ENOMEM;
        text = more ? more : text;
        if (n < 0) {
            free(text);
            return NULL;
        }
        if ((size_t)n < size - 1 || size == most)
            return text;
    }
}

/* A number and the blanks before it; *at goes behind it. false: there is none. */
static bool number(const char **at, uint64_t *ret)
{
    char *end;
    const char *from = *at + strspn(*at, " \t");
    if (!isdigit((unsigned char)*from))
        return false;
    *ret = strtoull(from, &end, 10);
    *at = end;
    return true;
}

static const char *next_line(const char *at)
{
    at += strcspn(at, "\n");
    return *at ? at + 1 : NULL;
}

/* After "cpu" or "cpu3": the sum of the busy ones and the steal. */
static bool fields(const char *at, uint64_t *ret_busy, uint64_t *ret_steal)
{
    uint64_t v = 0;
    *ret_busy = 0;
    for (unsigned i = 0; i < STEAL_FIELD; i++) {
        if (!number(&at, &v))
            return false;
        *ret_busy += i < BUSY_FIELDS ? v : 0;
    }
    *ret_steal = v;
    return true;
}

void measure_kernel_stat(struct measure_kernel *k, const char *text)
{
    for (const char *at = text; at && !strncmp(at, "cpu", 3); at = next_line(at)) {
        uint64_t cpu, busy, steal;
        const char *rest = at + 3;
        bool one = *rest != ' ' && number(&rest, &cpu);
        if (!fields(rest, &busy, &steal))
            continue;
        k->has_stat = true;
        if (!one)
            k->busy = busy;
        else if (cpu < k->n)
            k->steal[cpu] = steal;
    }
}

/* PIT and HPET are a timer of the whole machine: they are not meant. */
static bool is_timer(const char *label, const char *what)
{
    return !strncmp(label, "LOC:", 4) || !strncmp(label, "HVS:", 4) ||
           strstr(what, "arch_timer") || strstr(what, "virq      timer");
}

static void interrupts_line(struct measure_kernel *k, const char *line,
                            const uint32_t *columns, size_t n_columns)
{
    char what[128];
    const char *label = line + strspn(line, " \t"), *at = strchr(label, ':');
    size_t len = strcspn(line, "\n"), col = 0;
    if (!at || at > line + len || !strncmp(label, "ERR", 3) ||
        !strncmp(label, "MIS", 3))
        return;
    const char *first = ++at;
    uint64_t v;
    while (col < n_columns && number(&at, &v))
        col++;
    size_t rest = (size_t)(line + len - at);
    rest = rest < sizeof what ? rest : sizeof what - 1;
    memcpy(what, at, rest);
    what[rest] = '\0';
    bool timer = is_timer(label, what);
    at = first;
    for (size_t i = 0; i < col && number(&at, &v); i++) {
        k->interrupts[columns[i]] += v;
        k->timer[columns[i]] += timer ? v : 0;
    }
}

void measure_kernel_interrupts(struct measure_kernel *k, const char *text)
{
    uint32_t *columns = calloc(k->n, sizeof *columns);
    size_t n = 0;
    uint64_t cpu;
    const char *at = text, *end = text + strcspn(text, "\n");
    memset(k->interrupts, 0, k->n * sizeof *k->interrupts);
    memset(k->timer, 0, k->n * sizeof *k->timer);
    while (columns && n < k->n && (at = strstr(at, "CPU")) && at < end) {
        at += 3;
        if (!number(&at, &cpu) || cpu >= k->n)
            break;
        columns[n++] = (uint32_t)cpu;
    }
    for (at = next_line(text); n > 0 && at && *at; at = next_line(at)) {
        interrupts_line(k, at, columns, n);
        k->has_interrupts = true;
    }
    free(columns);
}

void measure_kernel_look(struct measure_kernel *k, const struct machine *m)
{
    char *stat = measure_kernel_text(m, "/proc/stat", STAT_MOST);
    if (stat)
        measure_kernel_stat(k, stat);
    free(stat);
    char *irqs = measure_kernel_text(m, "/proc/interrupts", IRQS_MOST);
    if (irqs)
        measure_kernel_interrupts(k, irqs);
    free(irqs);
    k->at_ns = clock_mono_ns();
}

bool measure_kernel_steal_is_told(const struct machine *m)
{
    uint32_t r[4];
    if (!machine_cpuid(m, 1, 0, r))
        return false;
    if (!(r[2] & 1u << 31))
        return true;
    for (uint32_t leaf = CPUID_HYPERVISOR; leaf < CPUID_HYPERVISOR_LAST;
         leaf += 0x100) {
        if (!machine_cpuid(m, leaf, 0, r))
            return false;
        if (memcmp(r + 1, "KVMKVMKVM\0\0", 12) == 0)
            return machine_cpuid(m, leaf + 1, 0, r) && (r[0] & KVM_FEATURE_STEAL);
        if (memcmp(r + 1, "XenVMMXenVMM", 12) == 0)
            return true;
        if (leaf == CPUID_HYPERVISOR && r[0] < CPUID_HYPERVISOR)
            return false;
    }
    return false;
}

uint64_t measure_kernel_tick_ns(void)
{
    long hz = sysconf(_SC_CLK_TCK);
    return hz > 0 ? 1000000000u / (uint64_t)hz : 10000000u;
}
